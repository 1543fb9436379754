//! Lists that tasks of a run are mapped over: each is read once, and not once for each of its items.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::store::xcoms::Written;

/// The lists of one run, as long as there are items that nobody has asked for.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<HashMap<(String, String), Kept>>);

#[derive(Debug)]
struct Kept {
    /// What was there when it was read; when something else is there by now, it is read again.
    written: Written,
    items: Arc<Vec<Value>>,
    /// How often it will be asked for, if each item is wanted once. What is wanted more often is read again.
    awaited: usize,
}

impl Lists {
    /// The list that `task_id` left under `key`, if it was read since it was written.
    pub(super) fn get(&self, task_id: &str, key: &str, written: &Written) -> Option<Arc<Vec<Value>>> {
        let mut lists = self.lock();
        let Entry::Occupied(mut kept) = lists.entry((task_id.to_owned(), key.to_owned())) else { return None };
        if kept.get().written != *written {
            kept.remove();
            return None;
        }
        let items = Arc::clone(&kept.get().items);
        kept.get_mut().awaited -= 1;
        if kept.get().awaited == 0 {
            kept.remove();
        }
        Some(items)
    }

    /// Keeps a list for the other items.
    pub(super) fn keep(&self, task_id: &str, key: &str, written: Written, items: &Arc<Vec<Value>>) {
        let awaited = items.len().saturating_sub(1);
        if awaited > 0 {
            let kept = Kept { written, items: Arc::clone(items), awaited };
            self.lock().insert((task_id.to_owned(), key.to_owned()), kept);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The items of what can be mapped over: those of a list, or the pairs of a mapping (Airflow 3: dynamic task mapping).
pub(super) fn items_of(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        Value::Object(pairs) => {
            Some(pairs.into_iter().map(|(name, value)| Value::Array(vec![Value::from(name), value])).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn written(second: i64) -> Written {
        Written { count: 1, newest: DateTime::from_timestamp(second, 0) }
    }

    #[test]
    fn a_list_is_kept_for_its_other_items_and_not_longer() {
        let lists = Lists::default();
        let items = Arc::new(vec![json!(1), json!(2), json!(3)]);

        assert!(lists.get("files", "return_value", &written(1)).is_none());
        lists.keep("files", "return_value", written(1), &items);

        let found = [(); 3].map(|()| lists.get("files", "return_value", &written(1)).is_some());
        assert_eq!(found, [true, true, false], "the first item is his who has read it");
        assert_eq!(Arc::strong_count(&items), 1, "nobody keeps it any more");
    }

    #[test]
    fn a_list_that_was_written_again_is_read_again() {
        let lists = Lists::default();
        lists.keep("files", "return_value", written(1), &Arc::new(vec![json!(1), json!(2), json!(3)]));

        assert!(lists.get("files", "return_value", &written(2)).is_none());
        assert!(lists.get("files", "return_value", &written(1)).is_none(), "the old one is gone");
        assert!(lists.get("files", "other", &written(1)).is_none());
    }

    #[test]
    fn the_pairs_of_a_mapping_are_items() {
        assert_eq!(items_of(json!({ "a": 1 })), Some(vec![json!(["a", 1])]));
        assert_eq!((items_of(json!([1])), items_of(json!("a"))), (Some(vec![json!(1)]), None));
    }
}
