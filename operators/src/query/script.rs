//! Reads SQL before it runs: which statements there are, and whether a task can answer them.
//!
//! ```text
//!   text ──tokens──> parameters bound ──> parsed as written          (how names are spelt)
//!                                    └──> parsed in lower case ──> in DataFusion's words (what is planned)
//! ```

use datafusion::sql::sqlparser::ast::{self, Query};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::names::fold;
use super::parameters::{Parameters, bind};
use super::pivoted::{put_back, set_aside};
use super::place::{Mistake, Place};
use super::refused::refused;
use crate::spark::{self, SparkDialect, UNNAMED, in_lower_case, keep_labels, keep_left_keys, translate};

/// Statements, at least one of which is a query.
#[derive(Debug)]
pub struct Script {
    /// The text.
    pub sql: String,
    /// In their order.
    pub statements: Vec<Statement>,
}

/// One statement, ready to be planned.
#[derive(Debug)]
pub struct Statement {
    /// Where it begins.
    pub start: Location,
    /// What it does.
    pub kind: Kind,
}

/// A query, ready to be planned.
#[derive(Debug)]
pub struct Asked {
    /// As it was written.
    pub written: Box<Query>,
    /// The same with every name in lower case (see [`super::names`]), in DataFusion's words.
    pub planned: Box<ast::Statement>,
}

/// What a statement does.
#[derive(Debug)]
pub enum Kind {
    /// Its query is answered.
    Answer(Asked),
    /// Its query is a view that later statements may use.
    View {
        /// The query.
        asked: Asked,
        /// Its name, without that of a schema.
        name: String,
        /// Other names for its columns, if there are any.
        columns: Vec<String>,
        /// Whether there may be such a view already.
        may_replace: bool,
    },
    /// Later statements may not use a view any more.
    Drop {
        /// Its name, without that of a schema.
        name: String,
        /// Whether there need not be such a view.
        if_exists: bool,
    },
}

impl Statement {
    /// The query that is answered, if there is one.
    pub fn answered(&self) -> Option<&Asked> {
        match &self.kind {
            Kind::Answer(asked) => Some(asked),
            Kind::View { .. } | Kind::Drop { .. } => None,
        }
    }
}

impl Script {
    /// Reads statements in Spark's dialect.
    pub fn parse(sql: &str, parameters: &Parameters) -> Result<Script, Mistake> {
        let tokens = bind(tokens(sql)?, parameters)?;
        if let Some(mistake) = refused(&tokens) {
            return Err(mistake);
        }
        let written = statements(tokens.clone())?;
        let planned = statements(tokens.into_iter().map(in_lower_case).collect())?;
        let pairs = written.into_iter().zip(planned);
        let statements: Vec<Statement> = pairs
            .map(|((start, written), (_, planned))| statement(start, written, planned))
            .collect::<Result<_, _>>()?;
        if !statements.iter().any(|statement| statement.answered().is_some()) {
            return Err(nothing_asked(statements.is_empty()));
        }
        Ok(Script { sql: sql.to_owned(), statements })
    }

    /// The query that is the answer: the last one.
    pub fn answer(&self) -> Option<usize> {
        self.statements.iter().rposition(|statement| statement.answered().is_some())
    }

    /// Where a word stands first in a statement.
    pub fn place_of(&self, word: &str, statement: &Statement) -> Option<Place> {
        let tokens = tokens(&self.sql).ok()?;
        let own = tokens.iter().filter(|token| token.span.start >= statement.start);
        let mut own = own.take_while(|token| token.token != Token::SemiColon);
        let is_it =
            |token: &&TokenWithSpan| matches!(&token.token, Token::Word(found) if fold(&found.value) == fold(word));
        own.find(is_it).and_then(|token| Place::of(token.span))
    }
}

/// There is no answer in statements that only make something, or in none.
pub fn nothing_asked(is_empty: bool) -> Mistake {
    let message =
        if is_empty { "the SQL is empty" } else { "the SQL makes views and asks nothing; end it with SELECT" };
    Mistake::at(None, message)
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Mistake> {
    spark::tokens(sql).map_err(|error| {
        let span = Span::new(error.location, error.location);
        Mistake::at(Place::of(span), format!("the SQL cannot be read: {}", in_lower_case_first(&error.message)))
    })
}

/// The statements, each with the place where it begins.
fn statements(tokens: Vec<TokenWithSpan>) -> Result<Vec<(Location, ast::Statement)>, Mistake> {
    let dialect = SparkDialect::default();
    let (tokens, aside) = set_aside(tokens);
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let mut statements = Vec::new();
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        let start = parser.peek_token().span;
        if parser.peek_token().token == Token::EOF {
            return Ok(statements);
        }
        let mut statement = parser.parse_statement().map_err(|error| syntax(&error))?;
        put_back(&mut statement, &aside).map_err(|error| syntax(&error))?;
        statements.push((start.start, statement));
        let next = parser.peek_token();
        if !matches!(next.token, Token::SemiColon | Token::EOF) {
            let cure = match &next.token {
                Token::Word(word) if matches!(word.keyword, Keyword::PIVOT | Keyword::UNPIVOT) => {
                    "; put what stands before it into a subquery: `FROM (SELECT …) PIVOT (…)`"
                }
                _ => "",
            };
            let message = format!("the SQL does not parse: expected `;` or its end, found `{}`{cure}", next.token);
            return Err(Mistake::at(Place::of(next.span), message));
        }
    }
}

/// The parser writes where it stopped at the end of its message.
fn syntax(error: &ParserError) -> Mistake {
    let text = error.to_string();
    let text = text.trim_start_matches("sql parser error: ");
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, at)) => (message, read_place(at)),
        None => (text, None),
    };
    Mistake::at(place, format!("the SQL does not parse: {}", in_lower_case_first(message)))
}

/// `2, Column: 6`.
fn read_place(at: &str) -> Option<Place> {
    let (line, column) = at.split_once(", Column: ")?;
    Some(Place { line: line.trim().parse().ok()?, column: column.trim().parse().ok()?, width: 1 })
}

/// A name without that of a schema.
fn last_name(name: &ast::ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.clone()).unwrap_or_default()
}

fn in_lower_case_first(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map(|first| first.to_lowercase().chain(signs).collect()).unwrap_or_default()
}

fn statement(start: Location, written: ast::Statement, mut planned: ast::Statement) -> Result<Statement, Mistake> {
    keep_labels(&written, &mut planned);
    keep_left_keys(&mut planned).map_err(|place| Mistake::at(Place::of(place), UNNAMED))?;
    match (written, &mut planned) {
        (ast::Statement::Query(written), ast::Statement::Query(_)) => {
            translate(&mut planned);
            Ok(Statement { start, kind: Kind::Answer(Asked { written, planned: Box::new(planned) }) })
        }
        (ast::Statement::CreateView(written), ast::Statement::CreateView(planned)) if !written.materialized => {
            let mut query = ast::Statement::Query(planned.query.clone());
            translate(&mut query);
            let kind = Kind::View {
                name: last_name(&written.name),
                columns: written.columns.iter().map(|column| column.name.value.clone()).collect(),
                may_replace: written.or_replace || written.if_not_exists,
                asked: Asked { written: written.query, planned: Box::new(query) },
            };
            Ok(Statement { start, kind })
        }
        (ast::Statement::Drop { object_type: ast::ObjectType::View, if_exists, names, .. }, _) if names.len() == 1 => {
            Ok(Statement { start, kind: Kind::Drop { name: last_name(&names[0]), if_exists } })
        }
        (other, _) => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let width = words.first().map_or(1, |word| word.chars().count() as u64);
            let message = format!(
                "`{}` is no query; here SELECT reads, CREATE VIEW names a step, and results go to `output`",
                words.join(" ")
            );
            Err(Mistake::at(Some(Place { line: start.line, column: start.column, width }), message))
        }
    }
}
