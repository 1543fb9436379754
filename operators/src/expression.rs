//! Spark's SQL over one table: expressions such as `age > 18 AND country IS NOT NULL`, and queries.
//!
//! Names are found whatever their case, as in a query.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{Column, ToDFSchema as _};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::columns;
use crate::query::pivoted::{Aside, put_back, set_aside};
use crate::query::refused::refused;
use crate::spark::{
    self, SparkDialect, UNNAMED, in_lower_case, keep_labels, keep_left_keys, translate, translate_expression,
};

/// Why a text is no expression over a table.
#[derive(Debug, thiserror::Error)]
pub enum ExpressionError {
    /// The grammar is violated; the parser's words, with line and column.
    #[error("the SQL does not parse: {0}")]
    Syntax(String),
    /// It names a column that is not there.
    #[error("there is no column `{column}`{hint}; known are {known}")]
    UnknownColumn {
        /// As written, in lower case.
        column: String,
        /// A column with a similar name, as a part of a sentence.
        hint: String,
        /// The columns that there are.
        known: String,
    },
    /// Two columns have one name for SQL.
    #[error("SQL takes the columns `{0}` and `{1}` for one; `rename` one of them")]
    SameName(String, String),
    /// DataFusion refuses it.
    #[error("{0}")]
    Refused(String),
}

/// Looks whether a text is an expression, whatever columns there are.
pub fn parse(sql: &str) -> Result<(), ExpressionError> {
    parse_folded(sql).map(|_| ())
}

/// The expression over the columns of `schema`.
pub fn over(sql: &str, schema: &Schema, state: &SessionState) -> Result<Expr, ExpressionError> {
    let parsed = parse_folded(sql)?;
    let mut written: BTreeMap<String, &str> = BTreeMap::new();
    for field in schema.fields() {
        if let Some(other) = written.insert(field.name().to_lowercase(), field.name()) {
            return Err(ExpressionError::SameName(other.to_owned(), field.name().clone()));
        }
    }
    let folded: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_name(field.name().to_lowercase())).collect();
    let explained = |error: DataFusionError| explain(&error, schema);
    let folded = Arc::new(Schema::new(folded)).to_dfschema().map_err(explained)?;
    let parsed = ExprWithAlias { expr: parsed, alias: None };
    let expr = state.create_logical_expr_from_sql_expr(parsed, &folded).map_err(explained)?;
    let spelt = expr.transform(|expr| match expr {
        Expr::Column(column) => {
            let name = written.get(&column.name).map_or(column.name.as_str(), |written| written);
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        }
        other => Ok(Transformed::no(other)),
    });
    spelt.map(|spelt| spelt.data).map_err(explained)
}

/// One query.
pub struct ParsedQuery {
    /// As it was written.
    pub written: Box<ast::Query>,
    /// The same with every name in lower case.
    pub folded: Box<ast::Statement>,
}

/// Reads one query.
pub fn query(sql: &str) -> Result<ParsedQuery, ExpressionError> {
    let written = statement(sql, |token| token)?;
    let mut folded = statement(sql, in_lower_case)?;
    keep_labels(&written, &mut folded);
    keep_left_keys(&mut folded).map_err(|_| ExpressionError::Refused(UNNAMED.to_owned()))?;
    translate(&mut folded);
    let folded = Box::new(folded);
    match written {
        ast::Statement::Query(written) => Ok(ParsedQuery { written, folded }),
        _ => Err(ExpressionError::Refused("it is no query; write `SELECT … FROM input`".to_owned())),
    }
}

fn statement(sql: &str, each: fn(TokenWithSpan) -> TokenWithSpan) -> Result<ast::Statement, ExpressionError> {
    read(sql, each, |parser, aside| {
        let mut statement = parser.parse_statement()?;
        put_back(&mut statement, aside)?;
        while parser.consume_token(&Token::SemiColon) {}
        Ok(statement)
    })
}

fn parse_folded(sql: &str) -> Result<ast::Expr, ExpressionError> {
    read(sql, in_lower_case, |parser, _| {
        let mut expr = parser.parse_expr()?;
        translate_expression(&mut expr);
        Ok(expr)
    })
}

/// Reads all of a text, whose tokens are changed before.
fn read<T>(
    sql: &str,
    each: fn(TokenWithSpan) -> TokenWithSpan,
    parse: impl for<'a> FnOnce(&mut Parser<'a>, &Aside) -> Result<T, ParserError>,
) -> Result<T, ExpressionError> {
    let syntax = |error: ParserError| {
        let text = error.to_string();
        ExpressionError::Syntax(text.trim_start_matches("sql parser error: ").to_owned())
    };
    let tokens = spark::tokens(sql).map_err(|error| syntax(error.into()))?;
    if let Some(mistake) = refused(&tokens) {
        return Err(ExpressionError::Refused(mistake.message));
    }
    let dialect = SparkDialect::default();
    let (tokens, aside) = set_aside(tokens.into_iter().map(each).collect());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser, &aside).map_err(syntax)?;
    parser.expect_token(&Token::EOF).map_err(syntax)?;
    Ok(parsed)
}

/// The table that a plan needs and nobody has.
pub fn unknown_table(error: &DataFusionError) -> Option<String> {
    let text = error.strip_backtrace();
    let (name, _) = text.split_once("table '")?.1.split_once('\'')?;
    text.contains("not found").then(|| name.rsplit('.').next().unwrap_or(name).to_owned())
}

/// What a planning error means to whoever wrote the SQL.
pub fn explain(error: &DataFusionError, schema: &Schema) -> ExpressionError {
    use datafusion::common::SchemaError;
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => explain(inner, schema),
        DataFusionError::Collection(errors) if !errors.is_empty() => explain(&errors[0], schema),
        DataFusionError::Shared(inner) => explain(inner, schema),
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                let known = || schema.fields().iter().map(|field| field.name().as_str());
                ExpressionError::UnknownColumn {
                    column: field.name.clone(),
                    hint: columns::hint(&field.name, known()),
                    known: columns::list(known()),
                }
            }
            other => ExpressionError::Refused(other.to_string()),
        },
        DataFusionError::Plan(text) => {
            match text.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
                Some((name, _)) => ExpressionError::Refused(format!("there is no function `{name}`")),
                // What follows the first line is about DataFusion's own signatures.
                None => ExpressionError::Refused(text.lines().next().unwrap_or(text).to_owned()),
            }
        }
        other => ExpressionError::Refused(other.strip_backtrace()),
    }
}
