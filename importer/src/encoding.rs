//! The bytes of a Python file as text, as Python reads them.

use crate::remark::Remark;

/// Names under which Python knows the encoding whose bytes are the first signs of Unicode.
const LATIN_1: [&str; 5] = ["latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1"];

/// What stands in one of the first lines of a file that says its encoding.
const COOKIE: &str = "coding";

/// A file may say its encoding in so many lines.
const COOKIE_LINES: usize = 2;

/// The text of a file, with `\n` at the end of each line. Bytes that are no text come with a remark on the first of them.
pub fn decode(bytes: &[u8]) -> (String, Option<Remark>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, problem) = match (std::str::from_utf8(bytes), cookie(bytes)) {
        (Ok(text), _) => (text.to_owned(), None),
        (Err(_), Some(encoding)) if LATIN_1.contains(&encoding.as_str()) => {
            (bytes.iter().map(|byte| char::from(*byte)).collect(), None)
        }
        (Err(error), encoding) => (String::from_utf8_lossy(bytes).into_owned(), Some((error.valid_up_to(), encoding))),
    };
    let remark = problem.map(|(at, encoding)| {
        let what = match encoding {
            Some(encoding) => format!("the file is written in `{encoding}`, which is not read"),
            None => "this is not UTF-8 text".to_owned(),
        };
        // The bytes before it are the same in the text, but for the ends of lines.
        let at = lines_alike(text.get(..at).unwrap_or_default()).len();
        Remark::lost(what, at..at + char::REPLACEMENT_CHARACTER.len_utf8()).help("save the file as UTF-8")
    });
    (lines_alike(&text), remark)
}

fn lines_alike(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The encoding that a comment names, in lower case: `# -*- coding: latin-1 -*-`.
fn cookie(bytes: &[u8]) -> Option<String> {
    let lines = bytes.split(|byte| *byte == b'\n').take(COOKIE_LINES);
    lines.filter(|line| line.trim_ascii_start().starts_with(b"#")).find_map(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (_, rest) = line.split_once(COOKIE)?;
        let name = rest.strip_prefix([':', '='])?.trim_start();
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(name.len());
        (end > 0).then(|| name[..end].to_ascii_lowercase().replace('_', "-"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_python_reads_them() {
        assert_eq!(decode(b"\xef\xbb\xbfa = 1\r\nb = 2\rc\n"), ("a = 1\nb = 2\nc\n".to_owned(), None));
        let (text, remark) = decode(b"#!/usr/bin/python\n# -*- coding: Latin_1 -*-\nx = 'caf\xe9'\n");
        assert!(text.ends_with("x = 'caf\u{e9}'\n") && remark.is_none(), "{text}");
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let (text, remark) = decode(b"a = 1\r\nb = '\xe9'\n");
        let remark = remark.unwrap();
        assert_eq!((&text[remark.place.clone()], remark.message.as_str()), ("\u{fffd}", "this is not UTF-8 text"));
        let (_, remark) = decode(b"# vim: set fileencoding=cp1252 :\nb = '\xe9'\n");
        assert!(remark.unwrap().message.contains("`cp1252`"));
    }
}
