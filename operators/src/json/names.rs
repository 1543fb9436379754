//! Finds columns by the names of members, quickly: documents mostly list their members in the order of the one before.

use std::collections::HashMap;

/// Names, numbered in the order in which they were added.
#[derive(Default)]
pub struct Names {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    /// By the position of a member in a document: the number of the one that stood there last.
    guesses: Vec<usize>,
}

impl Names {
    /// Adds a name that is not there yet; answers with its number.
    fn add(&mut self, name: String) -> usize {
        let number = self.names.len();
        self.by_name.insert(name.clone(), number);
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
        assert_eq!(names.find(7, "unknown"), None);
        assert_eq!(names.add("unknown".to_owned()), 3);
        assert_eq!(names.find(7, "unknown"), Some(3));
    }
}
