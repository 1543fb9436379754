//! How a secret may stand in a text: as it is, or as URLs, JSON, Python, shells and base64 write it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::Value;

use super::uri::{ENCODED, encoded};

/// What Python's `urllib.parse.quote` lets stand as it is: slashes, too.
const PATH: &AsciiSet = &ENCODED.remove(b'/');

/// So many bytes are so many digits of base64, whatever follows them.
const BYTES_OF_A_GROUP: usize = 3;

/// Every spelling of a secret that others may print, itself first, each once.
pub fn spellings(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(&json);
    let in_urls = [
        encoded(secret),
        utf8_percent_encode(secret, PATH).to_string(),
        in_form(secret),
        // As `extra` stands in the URI of a connection.
        in_form(json),
    ];
    let mut all = vec![secret.to_owned()];
    all.extend(in_urls.iter().map(|text| with_small_digits(text)));
    all.extend(in_urls);
    all.extend([in_ascii(json), json.to_owned(), in_python(secret)]);
    all.extend(["'\\''", "'\"'\"'"].map(|quote| secret.replace('\'', quote)));
    all.extend(in_base64(secret));
    let mut known = std::collections::HashSet::new();
    all.retain(|text| !text.is_empty() && known.insert(text.clone()));
    all
}

/// A text in base64: alone, and as it begins when something follows it.
pub(super) fn in_base64(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let whole_groups = &bytes[..bytes.len() - bytes.len() % BYTES_OF_A_GROUP];
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .flat_map(|alphabet| [alphabet.encode(bytes), alphabet.encode(whole_groups)])
        .filter(|text| !text.is_empty())
        .collect()
}

/// As forms and queries have it: blanks are `+`.
fn in_form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `%2F` as `%2f`.
fn with_small_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        text.extend(["%", &digits.to_lowercase(), rest]);
    }
    text
}

/// JSON as Python writes it.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// What `repr` makes of a text, without the quotes around it.
fn in_python(secret: &str) -> String {
    let text = secret.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    if text.contains('\'') && text.contains('"') { text.replace('\'', "\\'") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_however_others_write_it() {
        let known = spellings("p@ss/w\"o'r\\d é+ x");
        for text in [
            "p@ss/w\"o'r\\d é+ x",
            "p%40ss%2Fw%22o%27r%5Cd%20%C3%A9%2B%20x",
            "p%40ss%2fw%22o%27r%5cd%20%c3%a9%2b%20x",
            "p%40ss/w%22o%27r%5Cd%20%C3%A9%2B%20x",
            "p%40ss%2Fw%22o%27r%5Cd+%C3%A9%2B+x",
            "p%40ss%2Fw%5C%22o%27r%5C%5Cd+%C3%A9%2B+x",
            r#"p@ss/w\"o'r\\d é+ x"#,
            r#"p@ss/w\"o'r\\d \u00e9+ x"#,
            r#"p@ss/w"o\'r\\d é+ x"#,
            r#"p@ss/w"o'\''r\d é+ x"#,
            r#"p@ss/w"o'"'"'r\d é+ x"#,
            "cEBzcy93Im8nclxkIMOpKyB4",
        ] {
            assert!(known.iter().any(|known| known == text), "{text} is not among {known:#?}");
        }
    }

    #[test]
    fn a_plain_secret_has_few_spellings() {
        assert_eq!(spellings("hush-hush"), ["hush-hush", "aHVzaC1odXNo"]);
        assert_eq!(spellings("dapi12345"), ["dapi12345", "ZGFwaTEyMzQ1"]);
        assert_eq!(spellings("dapi1234"), ["dapi1234", "ZGFwaTEyMzQ", "ZGFwaTEy"]);
        assert!(spellings("").is_empty());
    }

    #[test]
    fn lines_stand_in_json_and_in_python_as_one() {
        let known = spellings("first\nsecond\n");
        assert!(known.iter().any(|text| text == "first\\nsecond\\n"), "{known:?}");
    }
}
