//! `SELECT *` over `LEFT JOIN … USING`: its key is that of the table on the left, which no row lacks.
//!
//! DataFusion takes the key of the table whose name is first in the alphabet, and on the right it is NULL where nothing fits. So
//! the tables are named:
//!
//! ```text
//!   SELECT *             FROM z LEFT JOIN a USING (k)
//!   SELECT z.*, a.* EXCEPT (k) FROM z LEFT JOIN a USING (k)
//! ```

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, ExceptSelectItem, Ident, JoinConstraint, JoinOperator, ObjectName, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, VisitMut as _, VisitorMut,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::columns::hidden;

/// What is said of a `*` whose tables cannot be named.
pub const UNNAMED: &str =
    "`*` would take the keys of the wrong table here, behind `LEFT JOIN … USING`; name the columns";

/// Names the tables of each such `*`; fails with the place of one that cannot be.
pub fn keep_left_keys(statement: &mut ast::Statement) -> Result<(), Span> {
    match statement.visit(&mut Naming::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(place) => Err(place),
    }
}

#[derive(Default)]
struct Naming {
    /// How many subqueries have got a name.
    named: usize,
}

/// A table of `FROM`.
struct Reached {
    /// What its columns are told apart by, if it can be said.
    name: Option<ObjectName>,
    /// Columns that a table before it has, too.
    keys: Vec<Ident>,
}

impl VisitorMut for Naming {
    type Break = Span;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Span> {
        let of_all = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_));
        if !select.projection.iter().any(of_all) || !select.from.iter().any(keeps_left_rows) {
            return ControlFlow::Continue(());
        }
        let has_views = !select.lateral_views.is_empty();
        let tables: Vec<Reached> = select.from.iter_mut().flat_map(|table| self.reach(table)).collect();
        if are_in_order(&tables) {
            return ControlFlow::Continue(());
        }
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            let SelectItem::Wildcard(options) = item else {
                projection.push(item);
                continue;
            };
            let place = options.wildcard_token.0.span;
            if has_views || options != plain(&options) {
                return ControlFlow::Break(place);
            }
            for table in &tables {
                let Some(name) = table.name.clone() else { return ControlFlow::Break(place) };
                let mut options = options.clone();
                let mut keys = table.keys.iter().cloned();
                options.opt_except = keys
                    .next()
                    .map(|first_element| ExceptSelectItem { first_element, additional_elements: keys.collect() });
                projection
                    .push(SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options));
            }
        }
        select.projection = projection;
        ControlFlow::Continue(())
    }
}

/// Whether the table on the left is everywhere the one whose name is first in the alphabet.
fn are_in_order(tables: &[Reached]) -> bool {
    let name = |table: &Reached| match table.name.as_ref()?.0.as_slice() {
        [only] => only.as_ident().map(|name| name.value.clone()),
        _ => None,
    };
    let names: Option<Vec<String>> = tables.iter().map(name).collect();
    names.is_some_and(|names| names.is_sorted())
}

/// A `*` without more.
fn plain(options: &WildcardAdditionalOptions) -> WildcardAdditionalOptions {
    WildcardAdditionalOptions { wildcard_token: options.wildcard_token.clone(), ..Default::default() }
}

/// Whether there is a join that keeps rows of the left side for which there is no key on the right.
fn keeps_left_rows(table: &TableWithJoins) -> bool {
    let is_left = |operator: &JoinOperator| {
        matches!(
            operator,
            JoinOperator::Left(JoinConstraint::Using(_)) | JoinOperator::LeftOuter(JoinConstraint::Using(_))
        )
    };
    let within = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => keeps_left_rows(table_with_joins),
        _ => false,
    };
    within(&table.relation) || table.joins.iter().any(|join| is_left(&join.join_operator) || within(&join.relation))
}

impl Naming {
    /// The tables whose columns are there, in their order.
    fn reach(&mut self, table: &mut TableWithJoins) -> Vec<Reached> {
        let mut reached = self.reach_factor(&mut table.relation);
        for join in &mut table.joins {
            let keys = match &join.join_operator {
                // The columns of the right side are not there.
                JoinOperator::Semi(_)
                | JoinOperator::LeftSemi(_)
                | JoinOperator::Anti(_)
                | JoinOperator::LeftAnti(_) => continue,
                JoinOperator::Join(JoinConstraint::Using(keys))
                | JoinOperator::Inner(JoinConstraint::Using(keys))
                | JoinOperator::Left(JoinConstraint::Using(keys))
                | JoinOperator::LeftOuter(JoinConstraint::Using(keys)) => keys.clone(),
                JoinOperator::Join(JoinConstraint::On(_) | JoinConstraint::None)
                | JoinOperator::Inner(JoinConstraint::On(_) | JoinConstraint::None)
                | JoinOperator::Left(JoinConstraint::On(_))
                | JoinOperator::LeftOuter(JoinConstraint::On(_))
                | JoinOperator::Right(JoinConstraint::On(_))
                | JoinOperator::RightOuter(JoinConstraint::On(_))
                | JoinOperator::FullOuter(JoinConstraint::On(_))
                | JoinOperator::CrossJoin(_) => Vec::new(),
                _ => {
                    reached.push(Reached { name: None, keys: Vec::new() });
                    continue;
                }
            };
            let mut right = self.reach_factor(&mut join.relation);
            match right.as_mut_slice() {
                [table] => table.keys = keys.iter().filter_map(|key| key.0.last()?.as_ident().cloned()).collect(),
                // Which of several has the key is not known.
                _ if !keys.is_empty() => right.push(Reached { name: None, keys: Vec::new() }),
                _ => {}
            }
            reached.append(&mut right);
        }
        reached
    }

    fn reach_factor(&mut self, factor: &mut TableFactor) -> Vec<Reached> {
        let name = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => return self.reach(table_with_joins),
            TableFactor::Table { name, alias: None, args: None, .. } => Some(name.clone()),
            TableFactor::Derived { alias: alias @ None, .. } => {
                self.named += 1;
                let name = Ident::new(hidden(&format!("subquery_{}", self.named)));
                *alias = Some(TableAlias { explicit: true, name: name.clone(), columns: Vec::new(), at: None });
                Some(ObjectName::from(vec![name]))
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. }
            | TableFactor::Pivot { alias: Some(alias), .. }
            | TableFactor::Unpivot { alias: Some(alias), .. } => Some(ObjectName::from(vec![alias.name.clone()])),
            _ => None,
        };
        vec![Reached { name, keys: Vec::new() }]
    }
}
