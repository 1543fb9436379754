//! The rule `sql`: a query over all rows, in Spark's SQL.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use datafusion::arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{SessionContext, ident};

use crate::expression;
use crate::query::names::{Columns, fold, fold_columns, respell};
use crate::spark;

/// What the rows are called in the query.
const INPUT: &str = "input";

/// Looks whether a text is one query.
pub fn check(sql: &str) -> Result<(), expression::ExpressionError> {
    expression::query(sql).map(|_| ())
}

/// The answer to `sql` over the rows of `input`, its columns spelt as the query has them.
pub async fn answer(sql: &str, input: DataFrame, session: &SessionContext) -> anyhow::Result<DataFrame> {
    let query = expression::query(sql)?;
    let schema = Schema::new(input.schema().fields().iter().cloned().collect::<Vec<_>>());
    let written: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let known: Columns = BTreeMap::from([(INPUT.to_owned(), written)]);
    let provider = fold_columns(INPUT, input.into_view(), session)?;
    session.register_table(INPUT, provider)?;
    let planned = Box::pin(spark::plan(*query.folded, session)).await;
    // The plan has the rows by now, and the next such rule brings its own.
    session.deregister_table(INPUT)?;
    let explained = |error| match expression::unknown_table(&error) {
        Some(table) => anyhow!("there is no table `{table}`; the rows are in `{INPUT}`"),
        None => expression::explain(&error, &schema).into(),
    };
    let plan = planned.map_err(explained)?;
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false).verify_plan(&plan)?;
    let frame = session.execute_logical_plan(plan).await.map_err(explained)?;
    let planned: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    let names = respell(&planned, &query.written, &known);
    let mut seen = BTreeMap::new();
    for name in &names {
        if let Some(other) = seen.insert(fold(name), name) {
            bail!("the query has the columns `{other}` and `{name}`; give one of them another name by `AS`");
        }
    }
    let columns = frame.schema().columns().into_iter().zip(&names);
    let columns: Vec<Expr> = columns.map(|(column, name)| Expr::Column(column).alias(name)).collect();
    Ok(frame.select(columns)?.select(names.iter().map(ident).collect::<Vec<_>>())?)
}
