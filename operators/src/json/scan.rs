//! Finds the values in a JSON document without building a tree of them.
//!
//! The scanner checks the grammar and hands out slices of the text. It accepts what Spark's parser accepts beyond the
//! standard: strings in single quotes, `NaN` and infinities, and text after the first complete value of a line.

use std::borrow::Cow;

use super::names::Names;

/// Containers deeper than this are malformed: hostile input must not exhaust the stack.
const DEPTH_MAX: usize = 500;

/// The document does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What kind of value a slice of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number without fraction and exponent.
    Integer,
    /// Any other number.
    Float,
    /// A string; `escaped` when its text differs from its value.
    Text {
        /// Whether there is a backslash in it.
        escaped: bool,
    },
    /// An array, grammar checked.
    Array,
    /// An object, grammar checked.
    Object,
}

/// A value: its kind, and the text that it is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// What it is.
    pub kind: Kind,
    /// As written; of strings the part between the quotes.
    pub text: &'a str,
}

impl<'a> Value<'a> {
    /// The value of a string; of anything else its text as written.
    pub fn as_text(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::Text { escaped: true } => Cow::Owned(unescape(self.text)),
            _ => Cow::Borrowed(self.text),
        }
    }
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: Value<'a>,
    /// The number of the name, where the scanner expected it.
    pub number: Option<usize>,
}

/// What one line holds, whatever it is read for.
#[derive(Debug, PartialEq, Eq)]
pub enum Document<'a> {
    /// Nothing but blanks.
    Blank,
    /// One row.
    Object(&'a str),
    /// One row per object.
    Array(&'a str),
}

/// Reads the first value of a line. Anything but an object or an array of objects is malformed.
pub fn scan_document(line: &str) -> Result<Document<'_>, Malformed> {
    let line = without_mark(line);
    let mut scanner = Scanner::new(line);
    scanner.skip_blanks();
    if scanner.at == line.len() {
        return Ok(Document::Blank);
    }
    let value = scanner.value(0)?;
    match value.kind {
        Kind::Object => Ok(Document::Object(value.text)),
        Kind::Array => {
            let mut all_objects = true;
            elements(value.text, |element| all_objects &= element.kind == Kind::Object)?;
            if all_objects { Ok(Document::Array(value.text)) } else { Err(Malformed) }
        }
        _ => Err(Malformed),
    }
}

/// As Spark's parser does, on every line: files that were joined have byte order marks in the middle.
fn without_mark(line: &str) -> &str {
    line.strip_prefix('\u{feff}').unwrap_or(line)
}

/// Whether a line would be read as rows (or as nothing, when it is blank).
pub fn is_well_formed(line: &str) -> bool {
    scan_document(line).is_ok()
}

/// Reads the first value of a line. The members of an object, which is what lines nearly always hold, are put into `members`,
/// whose room is used anew, in the same go; of anything else the document is the answer.
///
/// Members mostly stand in the order of the line before. `names` knows that order, and names that are where it expects them
/// are not searched for their ends.
pub fn scan_line<'a>(
    line: &'a str,
    names: &Names,
    members: &mut Vec<Member<'a>>,
) -> Result<Option<Document<'a>>, Malformed> {
    let mut scanner = Scanner::new(without_mark(line));
    scanner.skip_blanks();
    if scanner.peek() != Some(b'{') {
        return scan_document(line).map(Some);
    }
    members.clear();
    let expected = |position: usize| names.expected(position);
    scanner.object(1, expected, |key, value, number| members.push(Member { name: key.as_text(), value, number }))?;
    Ok(None)
}

/// Appends the members of an object, whose grammar need not have been checked yet, to `into`.
pub fn members<'a>(object: &'a str, into: &mut Vec<Member<'a>>) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(object);
    scanner.object(0, nothing, |key, value, number| into.push(Member { name: key.as_text(), value, number }))
}

/// Expects no name.
fn nothing(_position: usize) -> Option<(&'static str, usize)> {
    None
}

/// Calls `each` for every element of an array.
pub fn elements<'a>(array: &'a str, mut each: impl FnMut(Value<'a>)) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(array);
    scanner.array(0, &mut each)
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Whether there may be control characters within strings, which are malformed.
    may_hold_control_characters: bool,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Scanner<'a> {
        let bytes = text.as_bytes();
        // One look at all of it takes less time than one at each string.
        Scanner { text, bytes, at: 0, may_hold_control_characters: has_control_character(bytes) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        self.skip_blanks();
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(Malformed)
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call passes each value through memory, which takes as long as to find it"
    )]
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Malformed> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.peek().ok_or(Malformed)? {
            b'"' | b'\'' => return self.string(),
            b'{' | b'[' => self.container(depth + 1)?,
            b'-' | b'+' | b'0'..=b'9' | b'N' | b'I' => self.number()?,
            b't' => self.word("true", Kind::True)?,
            b'f' => self.word("false", Kind::False)?,
            b'n' => self.word("null", Kind::Null)?,
            _ => return Err(Malformed),
        };
        Ok(Value { kind, text: &self.text[start..self.at] })
    }

    #[inline(never)]
    fn container(&mut self, depth: usize) -> Result<Kind, Malformed> {
        if self.peek() == Some(b'{') {
            self.object(depth, nothing, |_, _, _| ())?;
            return Ok(Kind::Object);
        }
        self.array(depth, &mut |_| ())?;
        Ok(Kind::Array)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Malformed> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(Malformed);
        }
        self.at += word.len();
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 => Err(Malformed),
            _ => Ok(kind),
        }
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `value`")]
    fn number(&mut self) -> Result<Kind, Malformed> {
        if let Some(b'N') = self.peek() {
            return self.word("NaN", Kind::Float);
        }
        let signed = matches!(self.peek(), Some(b'-' | b'+'));
        let plus = self.peek() == Some(b'+');
        self.at += usize::from(signed);
        if let Some(b'I') = self.peek() {
            let rest = &self.bytes[self.at..];
            let word = if rest.starts_with(b"Infinity") { "Infinity" } else { "INF" };
            return self.word(word, Kind::Float);
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if plus || whole == 0 || (leading_zero && whole > 1) {
            return Err(Malformed);
        }
        let mut kind = Kind::Integer;
        if self.peek() == Some(b'.') {
            self.at += 1;
            kind = Kind::Float;
            if self.digits() == 0 {
                return Err(Malformed);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            kind = Kind::Float;
            if let Some(b'-' | b'+') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(Malformed);
            }
        }
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') => Ok(kind),
            Some(_) => Err(Malformed),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `value`")]
    fn string(&mut self) -> Result<Value<'a>, Malformed> {
        let quote = self.bytes[self.at];
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let next = memchr::memchr2(quote, b'\\', rest).ok_or(Malformed)?;
            if self.may_hold_control_characters && has_control_character(&rest[..next]) {
                return Err(Malformed);
            }
            self.at += next;
            if self.bytes[self.at] == quote {
                let text = &self.text[start..self.at];
                self.at += 1;
                return Ok(Value { kind: Kind::Text { escaped }, text });
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'\'') => self.at += 2,
            Some(b'u') => {
                let code = self.bytes.get(self.at + 2..self.at + 6).ok_or(Malformed)?;
                if !code.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Malformed);
                }
                self.at += 6;
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Calls `each` with the name, the value and the expected number of each member. `expected` tells the name, in quotes,
    /// that is likely to stand at a position, and its number.
    fn object<'e>(
        &mut self,
        depth: usize,
        expected: impl Fn(usize) -> Option<(&'e str, usize)>,
        mut each: impl FnMut(Value<'a>, Value<'a>, Option<usize>),
    ) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        self.expect(b'{')?;
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        for position in 0.. {
            self.skip_blanks();
            let (key, number) =
                match expected(position).and_then(|(quoted, number)| Some((self.literal(quoted)?, number))) {
                    Some((key, number)) => (key, Some(number)),
                    None if matches!(self.peek(), Some(b'"' | b'\'')) => (self.string()?, None),
                    None => return Err(Malformed),
                };
            self.expect(b':')?;
            let value = self.value(depth)?;
            each(key, value, number);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Malformed),
            }
        }
        Err(Malformed)
    }

    /// The string that is written as `quoted`, if it stands here.
    fn literal(&mut self, quoted: &str) -> Option<Value<'a>> {
        let end = self.at + quoted.len();
        if self.bytes.get(self.at..end)? != quoted.as_bytes() {
            return None;
        }
        let text = &self.text[self.at + 1..end - 1];
        self.at = end;
        Some(Value { kind: Kind::Text { escaped: false }, text })
    }

    fn array(&mut self, depth: usize, each: &mut impl FnMut(Value<'a>)) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed);
        }
        self.expect(b'[')?;
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let value = self.value(depth)?;
            each(value);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Malformed),
            }
        }
    }
}

/// Looks at all bytes without stopping, which takes a fraction of the time of stopping at the first.
fn has_control_character(text: &[u8]) -> bool {
    let least = |bytes: &[u8]| bytes.iter().fold(u8::MAX, |least, byte| least.min(*byte));
    let (blocks, rest) = text.as_chunks::<64>();
    let in_blocks = blocks.iter().fold([u8::MAX; 64], |mut least, block| {
        least.iter_mut().zip(block).for_each(|(least, byte)| *least = (*least).min(*byte));
        least
    });
    least(&in_blocks).min(least(rest)) < 0x20
}

/// Resolves the escapes of a string that the scanner has accepted.
fn unescape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        value.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut used = at + 2;
        match code {
            b'b' => value.push('\u{8}'),
            b'f' => value.push('\u{c}'),
            b'n' => value.push('\n'),
            b'r' => value.push('\r'),
            b't' => value.push('\t'),
            b'u' => {
                let (character, length) = unescape_unicode(&rest[at..]);
                value.push(character);
                used = at + length;
            }
            other => value.push(char::from(other)),
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    value.push_str(rest);
    value
}

/// The character at the start of `text` (`\uXXXX`, or two of them for one beyond the BMP), and the length of its escape.
///
/// Half of a surrogate pair becomes `?`, as it does when Java encodes it.
fn unescape_unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|code| u32::from_str_radix(code, 16).ok());
    let first = unit(2).unwrap_or(0xFFFD);
    if let Some(character) = char::from_u32(first) {
        return (character, 6);
    }
    let is_pair = first < 0xDC00 && text.get(6..8) == Some("\\u");
    if let Some(second @ 0xDC00..=0xDFFF) = unit(8).filter(|_| is_pair) {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or('?'), 12);
    }
    ('?', 6)
}
