//! The three tables of the pipeline, and the names that their rows have on the way.

use std::fmt;
use std::ops::{Index, IndexMut};

/// One of the tables whose rows are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Posts.
    Pin,
    /// Where and when each was posted.
    Geo,
    /// Who posted it.
    User,
}

impl Table {
    /// In the order in which they are posted.
    pub(super) const ALL: [Table; 3] = [Table::Pin, Table::Geo, Table::User];

    /// Its short name, which ends the topic's.
    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Pin => "pin",
            Table::Geo => "geo",
            Table::User => "user",
        }
    }

    /// The Kafka topic that its rows are posted to.
    pub(super) fn topic(self, user_id: &str) -> String {
        format!("{user_id}.{self}")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something for each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerTable<T>(pub [T; 3]);

impl<T> PerTable<T> {
    /// What `make` makes for each.
    pub(super) fn from_fn(make: impl FnMut(Table) -> T) -> PerTable<T> {
        PerTable(Table::ALL.map(make))
    }

    /// The tables with what each has.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Table, &T)> {
        Table::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Table> for PerTable<T> {
    type Output = T;

    fn index(&self, table: Table) -> &T {
        &self.0[table as usize]
    }
}

impl<T> IndexMut<Table> for PerTable<T> {
    fn index_mut(&mut self, table: Table) -> &mut T {
        &mut self.0[table as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_users() {
        assert_eq!(Table::Pin.topic("0a3db223d459"), "0a3db223d459.pin");
    }

    #[test]
    fn each_table_has_its_own() {
        let mut names = PerTable::from_fn(Table::name);
        names[Table::Geo] = "place";
        assert_eq!(names.iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["pin", "place", "user"]);
    }
}
