//! Regular expressions that were met. Rows come in batches, and making an expression takes as long as looking through many rows
//! with it.
//!
//! What is a digit, a word or a blank to an expression is of ASCII to Java's, and of all Unicode to those of the crate: `\W` takes
//! away an `é` in Spark. So such classes are written anew before.

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
        let regex = Rc::new(Regex::new(&as_in_java(pattern))?);
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(pattern.to_owned(), Rc::clone(&regex));
        Ok(regex)
    })
}

/// Classes by what follows their backslash, as the crate has those of ASCII.
const CLASSES: [(&str, &str); 32] = [
    ("d", "[0-9]"),
    ("D", "[^0-9]"),
    ("w", "[0-9A-Za-z_]"),
    ("W", "[^0-9A-Za-z_]"),
    ("s", r"[\x20\t\n\x0B\f\r]"),
    ("S", r"[^\x20\t\n\x0B\f\r]"),
    ("p{Lower}", "[[:lower:]]"),
    ("P{Lower}", "[[:^lower:]]"),
    ("p{Upper}", "[[:upper:]]"),
    ("P{Upper}", "[[:^upper:]]"),
    ("p{ASCII}", "[[:ascii:]]"),
    ("P{ASCII}", "[[:^ascii:]]"),
    ("p{Alpha}", "[[:alpha:]]"),
    ("P{Alpha}", "[[:^alpha:]]"),
    ("p{Digit}", "[[:digit:]]"),
    ("P{Digit}", "[[:^digit:]]"),
    ("p{Alnum}", "[[:alnum:]]"),
    ("P{Alnum}", "[[:^alnum:]]"),
    ("p{Punct}", "[[:punct:]]"),
    ("P{Punct}", "[[:^punct:]]"),
    ("p{Graph}", "[[:graph:]]"),
    ("P{Graph}", "[[:^graph:]]"),
    ("p{Print}", "[[:print:]]"),
    ("P{Print}", "[[:^print:]]"),
    ("p{Blank}", "[[:blank:]]"),
    ("P{Blank}", "[[:^blank:]]"),
    ("p{Cntrl}", "[[:cntrl:]]"),
    ("P{Cntrl}", "[[:^cntrl:]]"),
    ("p{XDigit}", "[[:xdigit:]]"),
    ("P{XDigit}", "[[:^xdigit:]]"),
    ("p{Space}", "[[:space:]]"),
    ("P{Space}", "[[:^space:]]"),
];

/// A pattern with the classes that it has in Java.
pub fn as_in_java(pattern: &str) -> String {
    let mut ours = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, behind)) = rest.split_once('\\') {
        ours.push_str(before);
        rest = match CLASSES.iter().find_map(|(class, ascii)| Some((ascii, behind.strip_prefix(class)?))) {
            Some((ascii, behind)) => {
                ours.push_str(ascii);
                behind
            }
            None => {
                // What is escaped may be a backslash, which is not the beginning of a class then.
                let escaped = behind.chars().next().map_or(0, char::len_utf8);
                ours.push('\\');
                ours.push_str(&behind[..escaped]);
                &behind[escaped..]
            }
        };
    }
    ours.push_str(rest);
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_ascii() {
        let without = |pattern: &str, text: &str| known(pattern).unwrap().replace_all(text, "").into_owned();
        assert_eq!(without(r"\W", "caf\u{e9} \u{661}1_"), "caf1_");
        assert_eq!(without(r"[^\w\s]", "caf\u{e9}\u{a0} ok!"), "caf ok");
        assert_eq!(without(r"\d+", "1\u{661}2"), "\u{661}");
        assert_eq!(without(r"\p{Punct}", "a+b\u{2019}c!"), "ab\u{2019}c");
        assert_eq!(without(r"[\w.-]+", "a-b.c \u{e9}"), " \u{e9}");
        assert_eq!(as_in_java(r"\\d\.\p{L}\"), r"\\d\.\p{L}\");
    }

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
