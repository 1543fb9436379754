//! SQL that is understood and not obeyed: it would be passed over, and the answer be another one than was asked for.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::place::{Mistake, Place};

/// The first of what is refused.
pub fn refused(tokens: &[TokenWithSpan]) -> Option<Mistake> {
    let tokens: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    tokens.iter().enumerate().find_map(|(at, first)| {
        let word = |ahead: usize| tokens.get(at + ahead).map_or(Keyword::NoKeyword, |token| keyword(token));
        let message = match (word(0), word(1), word(2)) {
            (Keyword::TABLESAMPLE, ..) if tokens.get(at + 1).is_some_and(|next| next.token == Token::LParen) => {
                "TABLESAMPLE is not obeyed here; `WHERE rand() < 0.1` takes some of the rows".to_owned()
            }
            (Keyword::VERSION | Keyword::TIMESTAMP, Keyword::AS, Keyword::OF) => {
                "versions of a table are not told in the SQL, but in `tables`: `{path: lake/t, version: 3}`".to_owned()
            }
            (Keyword::EXCEPT | Keyword::MINUS | Keyword::INTERSECT, Keyword::ALL, _) => {
                let name = &first.token;
                format!("`{name} ALL` is not obeyed here, only `{name}`, of whose rows no two are the same")
            }
            (Keyword::NATURAL, Keyword::LEFT, Keyword::JOIN | Keyword::OUTER) => {
                "`NATURAL LEFT JOIN` loses keys here; name them: `LEFT JOIN … USING (k)`".to_owned()
            }
            (Keyword::RIGHT | Keyword::FULL, ..) if loses_keys(&tokens, at) => {
                let name = &first.token;
                format!(
                    "`{name} JOIN … USING` loses keys here; write `ON a.k = b.k`, and `coalesce(a.k, b.k)` for the key"
                )
            }
            _ => return None,
        };
        Some(Mistake::at(Place::of(first.span), message))
    })
}

/// Whether the join that begins there keeps rows of the right side, and has one column for two of them: DataFusion would take
/// one of the two (by the names of the tables for `*`, else the left one), and neither is there in all rows. For `LEFT JOIN` see
/// [`crate::spark::keep_left_keys`].
fn loses_keys(tokens: &[&TokenWithSpan], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).map_or(Keyword::NoKeyword, |token| keyword(token));
    let join = if word(at + 1) == Keyword::OUTER { at + 2 } else { at + 1 };
    if !matches!(word(at), Keyword::RIGHT | Keyword::FULL) || word(join) != Keyword::JOIN {
        return false;
    }
    if at > 0 && word(at - 1) == Keyword::NATURAL {
        return true;
    }
    let mut depth = 0_usize;
    for token in &tokens[join + 1..] {
        match (&token.token, keyword(token)) {
            (Token::LParen, _) => depth += 1,
            (Token::RParen, _) if depth == 0 => return false,
            (Token::RParen, _) => depth -= 1,
            (_, Keyword::USING) if depth == 0 => return true,
            (_, Keyword::ON | Keyword::JOIN | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER) if depth == 0 => {
                return false;
            }
            _ => {}
        }
    }
    false
}

fn keyword(token: &TokenWithSpan) -> Keyword {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}
