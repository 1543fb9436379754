//! Looks at SQL before it runs: does it parse, and is it one query?

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Why a text is not one query.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StatementError {
    /// The grammar is violated; the parser's words, with line and column.
    #[error("the SQL does not parse: {0}")]
    Syntax(String),
    /// Nothing but blanks and comments.
    #[error("the SQL is empty")]
    Empty,
    /// Several statements.
    #[error("there are {0} statements; a `query` task answers one, so make a task of each")]
    Several(usize),
    /// Something that changes data.
    #[error("`{0}` is no query; a `query` task reads with SELECT, and writes to its `output`")]
    NotAQuery(String),
}

/// Checks that `sql` is one query in Spark's dialect.
pub fn parse(sql: &str) -> Result<(), StatementError> {
    let statements = Parser::parse_sql(&DatabricksDialect {}, sql).map_err(|error| {
        let text = error.to_string();
        StatementError::Syntax(text.trim_start_matches("sql parser error: ").to_owned())
    })?;
    match statements.as_slice() {
        [] => Err(StatementError::Empty),
        [Statement::Query(_)] => Ok(()),
        [other] => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            Err(StatementError::NotAQuery(words.join(" ")))
        }
        several => Err(StatementError::Several(several.len())),
    }
}
