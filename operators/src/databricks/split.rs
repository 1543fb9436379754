//! Takes a text with several SQL statements apart, because the API takes one at a time.

/// The statements of a text, without their semicolons. Those in strings, names and comments end nothing.
pub(super) fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut has_words = false;
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let length = match sign {
            '\'' | '"' | '`' => quoted(rest, sign),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => commented(rest),
            ';' => {
                if has_words {
                    found.push(current.trim().to_owned());
                }
                current.clear();
                has_words = false;
                rest = &rest[1..];
                continue;
            }
            _ => sign.len_utf8(),
        };
        let is_comment = length > 1 && matches!(sign, '-' | '/');
        has_words |= !is_comment && !sign.is_whitespace();
        current.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    if has_words {
        found.push(current.trim().to_owned());
    }
    found
}

/// How long the quoted text at the beginning is. A backslash takes the next sign along, but not in names.
fn quoted(text: &str, quote: char) -> usize {
    let mut signs = text.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' && quote != '`' {
            signs.next();
        } else if sign == quote {
            return at + sign.len_utf8();
        }
    }
    text.len()
}

/// How long the comment at the beginning is; comments may hold comments.
fn commented(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_stand_by_themselves() {
        let table: [(&str, &[&str]); 9] = [
            ("SELECT 1", &["SELECT 1"]),
            ("SELECT 1;", &["SELECT 1"]),
            ("SELECT 1; \n SELECT 2;;", &["SELECT 1", "SELECT 2"]),
            ("SELECT ';', \"a;b\", `c;d` ; SELECT 2", &["SELECT ';', \"a;b\", `c;d`", "SELECT 2"]),
            (r"SELECT 'it\'s; so'; SELECT 2", &[r"SELECT 'it\'s; so'", "SELECT 2"]),
            ("SELECT 'it''s; so'", &["SELECT 'it''s; so'"]),
            ("-- one; two\nSELECT 1; /* three; /* four; */ */", &["-- one; two\nSELECT 1"]),
            ("SELECT 'grün; 😀'; SELECT 5 - -1 / 2", &["SELECT 'grün; 😀'", "SELECT 5 - -1 / 2"]),
            (" -- nothing\n ; ", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(statements(text), expected, "{text}");
        }
    }
}
