//! Regular expressions that were met. Rows come in batches, and making an expression takes as long as looking through many rows
//! with it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Error, Regex};

/// Few queries have more, and each holds on to memory.
const KEPT_MAX: usize = 16;

thread_local! {
    static KNOWN: RefCell<HashMap<String, Rc<Regex>>> = RefCell::default();
}

/// The expression that is written so; this thread has made it before, or makes it.
pub(super) fn known(pattern: &str) -> Result<Rc<Regex>, Error> {
    KNOWN.with_borrow_mut(|known| {
        if let Some(regex) = known.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern)?);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(pattern.to_owned(), Rc::clone(&regex));
        Ok(regex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_made_once_and_not_too_many_are_kept() {
        let first = known("a+").unwrap();
        assert!(Rc::ptr_eq(&first, &known("a+").unwrap()));
        assert!(known("a(").is_err());
        for number in 0..=KEPT_MAX {
            assert!(known(&format!("a{{{number}}}")).unwrap().is_match(&"a".repeat(number)));
        }
        assert!(KNOWN.with_borrow(HashMap::len) <= KEPT_MAX);
    }
}
