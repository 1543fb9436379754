//! Tables that a query names by where they are: ``FROM delta.`lake/clean_pin` ``.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Spanned as _, visit_relations};

use super::place::Place;
use crate::table::Format;

/// A table by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTable {
    /// Its format.
    pub format: Format,
    /// Where it is, as written.
    pub path: String,
    /// Where the query says so.
    pub place: Option<Place>,
}

/// The tables that a query names by their places, each once.
pub fn of_query(query: &Query) -> Vec<PathTable> {
    let mut found = BTreeMap::new();
    let _: ControlFlow<()> = visit_relations(query, |name| {
        if let Some(table) = of_name(name) {
            found.entry((table.format.name(), table.path.clone())).or_insert(table);
        }
        ControlFlow::Continue(())
    });
    found.into_values().collect()
}

fn of_name(name: &ObjectName) -> Option<PathTable> {
    let [format, path] = name.0.as_slice() else { return None };
    let (format, path) = (format.as_ident()?, path.as_ident()?);
    let format = Format::of_word(&format.value.to_lowercase())?;
    // Otherwise it is a table in a schema that happens to be called so.
    path.quote_style?;
    Some(PathTable { format, path: path.value.clone(), place: Place::of(name.span()) })
}
