//! Finds columns by the names of members, quickly: documents mostly list their members in the order of the one before.

use std::collections::HashMap;

/// Names, numbered in the order in which they were added.
#[derive(Default)]
pub struct Names {
    names: Vec<String>,
    /// The same as they are written in a document; empty where that is not known.
    quoted: Vec<String>,
    by_name: HashMap<String, usize>,
    /// By the position of a member in a document: the number of the one that stood there last.
    guesses: Vec<usize>,
}

impl Names {
    /// Adds a name that is not there yet; answers with its number.
    fn add(&mut self, name: String) -> usize {
        let number = self.names.len();
        self.by_name.insert(name.clone(), number);
        // What is escaped can be written in several ways.
        let is_plain = name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        self.quoted.push(if is_plain { format!("\"{name}\"") } else { String::new() });
        self.names.push(name);
        number
    }

    /// The number of the name of the member at `position` of a document.
    pub fn find(&mut self, position: usize, name: &str) -> Option<usize> {
        let guess = self.guesses.get(position).copied().unwrap_or_default();
        if self.names.get(guess).is_some_and(|guessed| guessed == name) {
            return Some(guess);
        }
        let number = self.get(name)?;
        if position >= self.guesses.len() {
            self.guesses.resize(position + 1, number);
        }
        self.guesses[position] = number;
        Some(number)
    }

    /// The name that stood at `position` of a document last, in quotes, and its number.
    pub fn expected(&self, position: usize) -> Option<(&str, usize)> {
        let number = *self.guesses.get(position)?;
        let quoted = self.quoted.get(number)?;
        (!quoted.is_empty()).then_some((quoted, number))
    }

    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

impl<N: Into<String>> FromIterator<N> for Names {
    fn from_iter<I: IntoIterator<Item = N>>(from: I) -> Names {
        let mut names = Names::default();
        for name in from {
            names.add(name.into());
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let mut names: Names = ["a", "b", "c"].into_iter().collect();
        for document in [["a", "b", "c"], ["c", "b", "a"], ["c", "a", "b"], ["c", "a", "b"]] {
            let found: Vec<_> = document.iter().enumerate().map(|(at, name)| names.find(at, name)).collect();
            let expected: Vec<_> = document.iter().map(|name| names.get(name)).collect();
            assert_eq!(found, expected);
            assert!(found.iter().all(Option::is_some));
        }
        assert_eq!(
            [0, 1, 2, 3].map(|at| names.expected(at)),
            [Some(("\"c\"", 2)), Some(("\"a\"", 0)), Some(("\"b\"", 1)), None]
        );
        assert_eq!(names.find(7, "unknown"), None);
        assert_eq!(names.add("unknown".to_owned()), 3);
        assert_eq!(names.find(7, "unknown"), Some(3));
    }
}
