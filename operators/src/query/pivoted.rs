//! What stands before `PIVOT` and `UNPIVOT`, as the parser understands it.
//!
//! Spark takes all that is joined or listed there: `FROM a JOIN b ON … PIVOT (…)`, `FROM a, b PIVOT (…)`, and also `VALUES`. The parser knows a table or a
//! subquery alone. So what else stands there is set aside, and a name takes its place until the rest is parsed.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, Statement, TableFactor, TableWithJoins, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::columns::hidden;
use crate::spark::SparkDialect;

/// Tokens that were set aside, by the number in the name that stands for them.
#[derive(Debug, Default)]
pub struct Aside(Vec<Vec<TokenWithSpan>>);

fn name(number: usize) -> String {
    hidden(&format!("pivoted_{number}"))
}

/// Takes what the parser does not understand there out of the tokens.
pub fn set_aside(mut tokens: Vec<TokenWithSpan>) -> (Vec<TokenWithSpan>, Aside) {
    let mut aside = Aside::default();
    if !tokens.iter().any(|token| matches!(keyword(token), Keyword::PIVOT | Keyword::UNPIVOT)) {
        return (tokens, aside);
    }
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut at = 0;
    while at < tokens.len() {
        if is_pivot(&tokens, at)
            && let Some(from) = relation_before(&tokens, at).filter(|from| is_strange(&tokens[*from..at]))
        {
            let span = tokens[from].span;
            let word = Word { value: name(aside.0.len()), quote_style: None, keyword: Keyword::NoKeyword };
            let stand_in = TokenWithSpan { token: Token::Word(word), span };
            aside.0.push(tokens.splice(from..at, [stand_in]).collect());
            at = from + 1;
        }
        at += 1;
    }
    (tokens, aside)
}

fn keyword(token: &TokenWithSpan) -> Keyword {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// Whether a `PIVOT (…)` or `UNPIVOT (…)` begins there, and no column is called so.
fn is_pivot(tokens: &[TokenWithSpan], at: usize) -> bool {
    let next = |ahead: usize| tokens.get(at + ahead);
    let opens = |ahead: usize| next(ahead).is_some_and(|token| token.token == Token::LParen);
    let of_table = at > 0 && !matches!(tokens[at - 1].token, Token::Period | Token::Comma);
    match keyword(&tokens[at]) {
        Keyword::PIVOT => of_table && opens(1),
        Keyword::UNPIVOT => {
            let of_nulls = next(1).is_some_and(|token| matches!(keyword(token), Keyword::INCLUDE | Keyword::EXCLUDE));
            of_table && (opens(1) || (of_nulls && opens(3)))
        }
        _ => false,
    }
}

/// Where what is pivoted begins: behind `FROM`.
fn relation_before(tokens: &[TokenWithSpan], pivot: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..pivot).rev() {
        match &tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen => depth = depth.checked_sub(1)?,
            Token::Word(_) if depth == 0 && keyword(&tokens[at]) == Keyword::FROM => {
                let of_comparison = at > 0 && keyword(&tokens[at - 1]) == Keyword::DISTINCT;
                if !of_comparison {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether it is anything but a table or a subquery.
fn is_strange(relation: &[TokenWithSpan]) -> bool {
    let mut depth = 0_usize;
    let joins_or_lists = relation.iter().any(|token| {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (token.token == Token::Comma || matches!(keyword(token), Keyword::JOIN | Keyword::VALUES))
    });
    let asks = relation.get(1).is_some_and(|token| matches!(keyword(token), Keyword::SELECT | Keyword::WITH));
    joins_or_lists || (relation.first().is_some_and(|token| token.token == Token::LParen) && !asks)
}

/// Puts what was set aside where it belongs.
pub fn put_back(statement: &mut Statement, aside: &Aside) -> Result<(), ParserError> {
    match statement.visit(&mut PuttingBack(aside)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct PuttingBack<'a>(&'a Aside);

impl VisitorMut for PuttingBack<'_> {
    type Break = ParserError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<ParserError> {
        if let TableFactor::Table { name: found, .. } = factor {
            let found = found.to_string();
            if let Some(number) = (0..self.0.0.len()).find(|number| name(*number) == found) {
                match parsed(&self.0.0[number]) {
                    Ok(relation) => *factor = relation,
                    Err(error) => return ControlFlow::Break(error),
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn parsed(tokens: &[TokenWithSpan]) -> Result<TableFactor, ParserError> {
    let dialect = SparkDialect::default();
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.to_vec());
    let mut relation = parser.parse_table_and_joins()?;
    while parser.consume_token(&Token::Comma) {
        let other = as_factor(parser.parse_table_and_joins()?);
        let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
        relation.joins.push(Join { relation: other, global: false, join_operator });
    }
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return parser.expected("PIVOT or JOIN", next);
    }
    Ok(as_factor(relation))
}

fn as_factor(relation: TableWithJoins) -> TableFactor {
    if relation.joins.is_empty() {
        return relation.relation;
    }
    TableFactor::NestedJoin { table_with_joins: Box::new(relation), alias: None }
}
