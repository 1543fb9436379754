//! Columns of a `SELECT` that others after them use: `SELECT a + 1 AS b, b * 2 AS c`.
//!
//! In Spark a name is first one of a column that is read, and only if there is none one that was given before. Which columns
//! are read only the planner knows. So it is asked: where it finds no column, what was given that name is put in its place.

use std::ops::ControlFlow;

use datafusion::common::SchemaError;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Expr, Select, SelectItem, VisitMut as _, VisitorMut};

/// Functions that answer otherwise when they are asked again.
const VOLATILE: [&str; 6] = ["rand", "randn", "random", "uuid", "shuffle", "monotonically_increasing_id"];

/// So many names at most are filled in: each may hold others, and what is written doubles with each.
const NAMES_MAX: usize = 100;

/// Plans a statement.
pub async fn plan(mut statement: ast::Statement, session: &SessionContext) -> Result<LogicalPlan> {
    let state = session.state();
    // Boxed, because planning takes more room than all that waits for it.
    let plan = |statement: &ast::Statement| {
        Box::pin(state.statement_to_plan(Statement::Statement(Box::new(statement.clone()))))
    };
    let mut outcome = plan(&statement).await;
    for _ in 0..NAMES_MAX {
        let Err(error) = &outcome else { break };
        let Some(gap) = missing(error) else { break };
        // Which of several queries misses the column is not said: it is the one that does not once it is filled in.
        let mut filled = None;
        for at in 0.. {
            let mut candidate = statement.clone();
            match fill_in(&mut candidate, &gap.0, at) {
                Filled::NoSuchQuery => break,
                Filled::Nothing => continue,
                Filled::Done => {}
            }
            let tried = plan(&candidate).await;
            if tried.as_ref().err().and_then(missing).as_ref() != Some(&gap) {
                filled = Some((candidate, tried));
                break;
            }
        }
        let Some((candidate, tried)) = filled else { break };
        (statement, outcome) = (candidate, tried);
    }
    outcome
}

/// The name for which there is no column, and the columns that there are, if that is what is wrong.
fn missing(error: &DataFusionError) -> Option<(String, String)> {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => missing(inner),
        DataFusionError::Collection(errors) => missing(errors.first()?),
        DataFusionError::Shared(inner) => missing(inner),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } if field.relation.is_none() => {
                let known: Vec<String> = valid_fields.iter().map(ToString::to_string).collect();
                Some((field.name.clone(), known.join(", ")))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What came of filling in.
enum Filled {
    Done,
    Nothing,
    NoSuchQuery,
}

/// Puts what an earlier column of the query with that number is in the place of its name, in the columns after it.
fn fill_in(statement: &mut ast::Statement, name: &str, at: usize) -> Filled {
    let mut filling = Filling { name, left: at, outcome: Filled::NoSuchQuery };
    let _: ControlFlow<()> = statement.visit(&mut filling);
    filling.outcome
}

struct Filling<'a> {
    name: &'a str,
    /// Queries before the one that is meant.
    left: usize,
    outcome: Filled,
}

impl VisitorMut for Filling<'_> {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if self.left > 0 {
            self.left -= 1;
            return ControlFlow::Continue(());
        }
        self.outcome = Filled::Nothing;
        let given = |item: &SelectItem| match item {
            SelectItem::ExprWithAlias { expr, alias } if alias.value == self.name => Some(expr.clone()),
            _ => None,
        };
        let mut meant = select.projection.iter().enumerate().filter_map(|(at, item)| Some((at, given(item)?)));
        let (Some((at, expr)), None) = (meant.next(), meant.next()) else { return ControlFlow::Break(()) };
        if is_volatile(&expr) {
            return ControlFlow::Break(());
        }
        let mut naming = Naming { name: self.name, expr: &expr, depth: 0, is_done: false };
        for item in &mut select.projection[at + 1..] {
            let _: ControlFlow<()> = item.visit(&mut naming);
        }
        if naming.is_done {
            self.outcome = Filled::Done;
        }
        ControlFlow::Break(())
    }
}

/// Puts an expression in the place of a name, but not within queries, which have columns of their own.
struct Naming<'a> {
    name: &'a str,
    expr: &'a Expr,
    depth: usize,
    is_done: bool,
}

impl VisitorMut for Naming<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 && matches!(&*expr, Expr::Identifier(name) if name.value == self.name) {
            *expr = Expr::Nested(Box::new(self.expr.clone()));
            self.is_done = true;
        }
        ControlFlow::Continue(())
    }
}

fn is_volatile(expr: &Expr) -> bool {
    let found = ast::visit_expressions(expr, |part| match part {
        Expr::Function(function) if VOLATILE.contains(&function.name.to_string().as_str()) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}
