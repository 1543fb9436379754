//! Python text as a syntax tree, and its literals as values.

use std::ops::Range;

use tree_sitter::{Node, Parser, Tree};

use crate::remark::Remark;

/// Longer files are not read: no DAG file has reason to be, and what follows takes several times as much memory.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Parses a file, or says where it stops being Python.
pub(crate) fn parse(text: &str) -> Result<Tree, Remark> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Remark::lost(format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20), 0..0));
    }
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .map_err(|error| Remark::lost(format!("the parser of Python does not fit: {error}"), 0..0))?;
    let tree = parser.parse(text, None).ok_or_else(|| Remark::lost("the file cannot be parsed", 0..0))?;
    match first_error(tree.root_node()) {
        None => Ok(tree),
        Some(place) => Err(Remark::lost("this is not Python", line_of(text, place))
            .help("Python 2 and Jupyter's magic lines are not read either")),
    }
}

/// Where the first mistake is. The tree is walked without recursion, because it is as deep as the file likes.
fn first_error(root: Node<'_>) -> Option<Range<usize>> {
    if !root.has_error() {
        return None;
    }
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            return Some(node.byte_range());
        }
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Some(root.byte_range());
            }
        }
    }
}

/// The line on which a place begins; a mistake may reach to the end of the file.
fn line_of(text: &str, place: Range<usize>) -> Range<usize> {
    let start = place.start.min(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let skipped = rest.len() - rest.trim_start().len();
    let start = if skipped < rest.len() { start + skipped } else { start };
    let end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| start + length);
    start..end.min(place.end.max(start + 1)).max(start)
}

/// The named children of a node, without comments.
pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|child| !matches!(child.kind(), "comment" | "line_continuation")).collect()
}

/// A child by the name of its field.
pub(crate) fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}

/// The children in a field, without comments.
pub(crate) fn fields<'t>(node: Node<'t>, name: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(name, &mut cursor)
        .filter(|child| child.kind() != "comment" && child.is_named())
        .collect()
}

/// The text of a node.
pub(crate) fn text_of<'s>(node: Node<'_>, source: &'s str) -> &'s str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// The whole number that is written so; none when it is too large for us.
pub(crate) fn integer(written: &str) -> Option<i64> {
    let digits: String = written.to_ascii_lowercase().chars().filter(|sign| *sign != '_').collect();
    let radix = |prefix: &str, radix| Some(i64::from_str_radix(digits.strip_prefix(prefix)?, radix).ok());
    radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).unwrap_or_else(|| digits.parse().ok())
}

/// What an escape sequence stands for; none for those that name a sign in words.
pub(crate) fn escape(written: &str) -> Option<String> {
    let rest = written.strip_prefix('\\')?;
    let code = |digits: &str, radix| {
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).map(|sign| sign.to_string())
    };
    let simple = match rest.chars().next()? {
        '\n' | '\r' => "",
        'n' => "\n",
        't' => "\t",
        'r' => "\r",
        'a' => "\u{7}",
        'b' => "\u{8}",
        'f' => "\u{c}",
        'v' => "\u{b}",
        '\\' => "\\",
        '\'' => "'",
        '"' => "\"",
        'x' | 'u' | 'U' => return code(rest.get(1..)?, 16),
        '0'..='7' => return code(rest, 8),
        'N' => return None,
        // Python keeps the backslash of what it does not know.
        _ => written,
    };
    Some(simple.to_owned())
}
