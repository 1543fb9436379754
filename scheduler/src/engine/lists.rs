//! Lists that tasks are mapped over: each is read once, and not once for each of its items.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// So many are kept at a time. What was read first goes first.
const LISTS_MAX: usize = 16;

/// Lists of which there are items that nobody has asked for.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<Vec<Kept>>);

/// The XCom that a list is: what a task that is not mapped left.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListOf {
    pub(super) run: Uuid,
    pub(super) task_id: String,
    pub(super) key: String,
    /// One that is written again is another one.
    pub(super) written_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Kept {
    of: ListOf,
    items: Arc<Vec<Value>>,
    /// How often it will be asked for, if each item is wanted once. What is wanted more often is read again.
    awaited: usize,
}

impl Lists {
    /// The list, if it is kept.
    pub(super) fn get(&self, of: &ListOf) -> Option<Arc<Vec<Value>>> {
        let mut lists = self.lock();
        let at = lists.iter().position(|kept| kept.of == *of)?;
        let items = Arc::clone(&lists[at].items);
        count_down(&mut lists, at);
        Some(items)
    }

    /// Keeps a list for its other items. Several may have read it at the same time.
    pub(super) fn keep(&self, of: ListOf, items: &Arc<Vec<Value>>) {
        let mut lists = self.lock();
        if let Some(at) = lists.iter().position(|kept| kept.of == of) {
            return count_down(&mut lists, at);
        }
        let awaited = items.len().saturating_sub(1);
        if awaited > 0 {
            if lists.len() >= LISTS_MAX {
                lists.remove(0);
            }
            lists.push(Kept { of, items: Arc::clone(items), awaited });
        }
    }

    /// Nobody will ask for any of them soon.
    pub(super) fn clear(&self) {
        *self.lock() = Vec::new();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody has the list at that place.
fn count_down(lists: &mut Vec<Kept>, at: usize) {
    lists[at].awaited -= 1;
    if lists[at].awaited == 0 {
        lists.remove(at);
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
    use serde_json::json;

    use super::*;

    fn files(second: i64) -> ListOf {
        ListOf {
            run: Uuid::nil(),
            task_id: "files".to_owned(),
            key: "return_value".to_owned(),
            written_at: DateTime::from_timestamp(second, 0).unwrap(),
        }
    }

    fn three() -> Arc<Vec<Value>> {
        Arc::new(vec![json!(1), json!(2), json!(3)])
    }

    #[test]
    fn a_list_is_kept_for_its_other_items_and_not_longer() {
        let (lists, items) = (Lists::default(), three());

        assert!(lists.get(&files(1)).is_none());
        lists.keep(files(1), &items);

        let found = [(); 3].map(|()| lists.get(&files(1)).is_some());
        assert_eq!(found, [true, true, false], "the first item is his who has read it");
        assert_eq!(Arc::strong_count(&items), 1, "nobody keeps it any more");
    }

    #[test]
    fn several_who_read_a_list_at_the_same_time_are_counted() {
        let lists = Lists::default();
        lists.keep(files(1), &three());
        lists.keep(files(1), &three());

        assert_eq!([(); 2].map(|()| lists.get(&files(1)).is_some()), [true, false]);
    }

    #[test]
    fn a_list_that_was_written_again_is_another_one() {
        let lists = Lists::default();
        lists.keep(files(1), &three());

        assert!(lists.get(&files(2)).is_none());
        assert!(lists.get(&ListOf { run: Uuid::max(), ..files(1) }).is_none());
        assert!(lists.get(&ListOf { key: "other".to_owned(), ..files(1) }).is_none());
    }

    #[test]
    fn not_more_than_so_many_are_kept_and_none_when_nobody_asks() {
        let lists = Lists::default();
        for second in 0..=16 {
            lists.keep(files(second), &three());
        }
        assert_eq!((lists.get(&files(0)).is_some(), lists.get(&files(16)).is_some()), (false, true));

        lists.clear();
        assert!(lists.get(&files(16)).is_none());
    }

    #[test]
    fn the_pairs_of_a_mapping_are_items() {
        assert_eq!(items_of(json!({ "a": 1 })), Some(vec![json!(["a", 1])]));
        assert_eq!((items_of(json!([1])), items_of(json!("a"))), (Some(vec![json!(1)]), None));
    }
}
