//! Looks at SQL before it runs: does it parse, and is it one query?

use datafusion::sql::sqlparser::ast::{self, Query};
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::names::fold;

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

/// One query, ready to be planned.
#[derive(Debug)]
pub struct Statement {
    /// As it was written.
    pub written: Box<Query>,
    /// The same with every name in lower case (see [`super::names`]).
    pub folded: ast::Statement,
}

impl Statement {
    /// Reads one query in Spark's dialect.
    pub fn parse(sql: &str) -> Result<Statement, StatementError> {
        let mut statements = parse(sql, |token| token)?;
        match (statements.pop(), statements.len()) {
            (None, _) => Err(StatementError::Empty),
            (Some(_), others @ 1..) => Err(StatementError::Several(others + 1)),
            (Some(ast::Statement::Query(written)), 0) => match parse(sql, fold_token)?.pop() {
                Some(folded) => Ok(Statement { written, folded }),
                None => Err(StatementError::Empty),
            },
            (Some(other), 0) => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(StatementError::NotAQuery(words.join(" ")))
            }
        }
    }
}

fn parse(sql: &str, each: impl FnMut(TokenWithSpan) -> TokenWithSpan) -> Result<Vec<ast::Statement>, StatementError> {
    let syntax = |error: ParserError| {
        let text = error.to_string();
        StatementError::Syntax(text.trim_start_matches("sql parser error: ").to_owned())
    };
    let dialect = DatabricksDialect {};
    let mut tokens = Vec::new();
    Tokenizer::new(&dialect, sql)
        .tokenize_with_location_into_buf_with_mapper(&mut tokens, each)
        .map_err(|error| syntax(error.into()))?;
    Parser::new(&dialect).with_tokens_with_locations(tokens).parse_statements().map_err(syntax)
}

fn fold_token(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::Word(word) = &mut token.token {
        word.value = fold(&word.value);
    }
    token
}
