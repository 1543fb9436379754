//! How Spark writes SQL: as Databricks does, with backslashes in texts (`'it\'s'`, `'\\d+'`).

use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::{DatabricksDialect, Dialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

use crate::statements::raw_texts;

/// The dialect, for the parser.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparkDialect(DatabricksDialect);

impl Dialect for SparkDialect {
    /// The parser asks for Databricks at some places.
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    /// `'a\_b'` keeps its backslash, for LIKE.
    fn ignores_wildcard_escapes(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        is_div(parser).then(|| Ok(self.prec_value(Precedence::MulDivModOp)))
    }

    /// `7 DIV 2`.
    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        if !is_div(parser) {
            return None;
        }
        parser.next_token();
        let divided = |right| Expr::BinaryOp {
            left: Box::new(expr.clone()),
            op: BinaryOperator::MyIntegerDivide,
            right: Box::new(right),
        };
        Some(parser.parse_subexpr(precedence).map(divided))
    }

    fn is_delimited_identifier_start(&self, sign: char) -> bool {
        self.0.is_delimited_identifier_start(sign)
    }

    fn is_identifier_start(&self, sign: char) -> bool {
        self.0.is_identifier_start(sign)
    }

    fn is_identifier_part(&self, sign: char) -> bool {
        self.0.is_identifier_part(sign)
    }

    fn supports_numeric_prefix(&self) -> bool {
        self.0.supports_numeric_prefix()
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        self.0.supports_filter_during_aggregation()
    }

    fn supports_group_by_expr(&self) -> bool {
        self.0.supports_group_by_expr()
    }

    fn supports_table_versioning(&self) -> bool {
        self.0.supports_table_versioning()
    }

    fn supports_lambda_functions(&self) -> bool {
        self.0.supports_lambda_functions()
    }

    fn supports_select_wildcard_except(&self) -> bool {
        self.0.supports_select_wildcard_except()
    }

    fn require_interval_qualifier(&self) -> bool {
        self.0.require_interval_qualifier()
    }

    fn supports_struct_literal(&self) -> bool {
        self.0.supports_struct_literal()
    }

    fn supports_nested_comments(&self) -> bool {
        self.0.supports_nested_comments()
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        self.0.supports_group_by_with_modifier()
    }

    fn supports_values_as_table_factor(&self) -> bool {
        self.0.supports_values_as_table_factor()
    }

    fn supports_bang_not_operator(&self) -> bool {
        self.0.supports_bang_not_operator()
    }

    fn supports_cte_without_as(&self) -> bool {
        self.0.supports_cte_without_as()
    }

    fn supports_select_item_multi_column_alias(&self) -> bool {
        self.0.supports_select_item_multi_column_alias()
    }
}

fn is_div(parser: &Parser) -> bool {
    matches!(&parser.peek_token_ref().token, Token::Word(word) if word.keyword == Keyword::DIV && word.quote_style.is_none())
}

/// The tokens of a text as Spark reads them: `"text"` and `r'text'` are texts, and `1.5D` a number.
pub fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    let mut tokens = Vec::new();
    let (sql, mut raw) = without_raw_texts(sql);
    Tokenizer::new(&SparkDialect::default(), &sql).tokenize_with_location_into_buf(&mut tokens)?;
    let mut read: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for mut token in tokens {
        if let Some(text) = raw.remove(&token.span.start) {
            token.token = Token::SingleQuotedString(text);
        }
        match &token.token {
            Token::DoubleQuotedString(text) => token.token = Token::SingleQuotedString(text.clone()),
            Token::Word(word) if word.quote_style.is_none() => {
                if let Some(digits) = number_with_type(&word.value) {
                    token.token = Token::Number(digits.to_owned(), false);
                } else if let (Some(TokenWithSpan { token: Token::Number(..), span }), true) =
                    (read.last_mut(), is_type_letter(&word.value))
                    && span.end == token.span.start
                {
                    span.end = token.span.end;
                    continue;
                }
            }
            _ => {}
        }
        read.push(token);
    }
    Ok(read)
}

/// The same with other texts in the places of raw ones, which the tokenizer does not know; and these, by the places of their
/// quotes.
fn without_raw_texts(sql: &str) -> (Cow<'_, str>, HashMap<Location, String>) {
    let (mut plain, mut raw) = (String::new(), HashMap::new());
    let (mut end, mut line, mut column) = (0, 1, 1);
    let mut pass = |text: &str| {
        for sign in text.chars() {
            (line, column) = if sign == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Location { line, column }
    };
    for range in raw_texts(sql) {
        let (letter, quoted) = sql[range.clone()].split_at(1);
        let quote = &quoted[..1];
        // One without an end is complained of.
        let Some(text) = quoted[1..].strip_suffix(quote) else { continue };
        plain.push_str(&sql[end..range.start]);
        pass(&sql[end..range.start]);
        raw.insert(pass(letter), text.to_owned());
        pass(quoted);
        let filler = text.chars().map(|sign| if sign == '\n' { sign } else { '-' });
        plain.push(' ');
        plain.push_str(quote);
        plain.extend(filler);
        plain.push_str(quote);
        end = range.end;
    }
    if raw.is_empty() {
        return (Cow::Borrowed(sql), raw);
    }
    plain.push_str(&sql[end..]);
    (Cow::Owned(plain), raw)
}

/// The same token with its name, if it is one, in lower case.
pub fn in_lower_case(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::Word(word) = &mut token.token {
        word.value = word.value.to_lowercase();
    }
    token
}

fn is_type_letter(text: &str) -> bool {
    ["d", "f", "l", "s", "y", "bd"].contains(&text.to_lowercase().as_str())
}

/// The digits of `20.9D`.
fn number_with_type(text: &str) -> Option<&str> {
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.')?;
    let (digits, letter) = text.split_at(end);
    (digits.starts_with(|sign: char| sign.is_ascii_digit()) && is_type_letter(letter)).then_some(digits)
}
