//! A command line as words, as a POSIX shell reads it; nothing of it is replaced.

/// The words of a command line, or what is wrong with it.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        match sign {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => quoted(&mut signs, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut signs, '"', word.get_or_insert_default())?,
            '\\' => {
                let next = signs.next().ok_or("the command ends with a `\\`")?;
                word.get_or_insert_default().push(next);
            }
            sign => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Takes what stands between quotes, the closing one included.
fn quoted(signs: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), String> {
    while let Some(sign) = signs.next() {
        match sign {
            sign if sign == quote => return Ok(()),
            '\\' if quote == '"' => match signs.next() {
                Some(next @ ('"' | '\\')) => word.push(next),
                Some(next) => word.extend(['\\', next]),
                None => break,
            },
            sign => word.push(sign),
        }
    }
    Err(format!("a {quote} in the command has no partner"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, words) in [
            ("echo  hello\tworld\n", vec!["echo", "hello", "world"]),
            ("sh -c 'echo \"$X\"; exit 3'", vec!["sh", "-c", "echo \"$X\"; exit 3"]),
            ("a \"b \\\"c\\\" \\d\" ''", vec!["a", "b \"c\" \\d", ""]),
            ("it\\'s on\\ e", vec!["it's", "on e"]),
            ("pre'fix'\"ed\"", vec!["prefixed"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        assert_eq!(split("echo 'x").unwrap_err(), "a ' in the command has no partner");
        assert_eq!(split("echo \"x\\").unwrap_err(), "a \" in the command has no partner");
        assert_eq!(split("echo \\").unwrap_err(), "the command ends with a `\\`");
    }
}
