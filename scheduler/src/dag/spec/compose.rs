//! From the parser's events to a tree, with bounds on what hostile text can ask for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_yaml::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle};

use super::node::{Entry, Mapping, Node, Yaml};
use super::problem::{Code, Problem};
use super::scalar;
use super::source::Place;

/// A DAG file of ten thousand generated tasks is about 3 MB; what is larger is data, and belongs elsewhere.
pub(super) const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Values in a file, aliases written out. Ten thousand tasks have about a fifth of that; a "billion laughs" has more.
pub(super) const NODES_MAX: usize = 1_000_000;

/// Levels of nesting. People lose track at ten; the limit keeps recursion off the end of the stack.
const DEPTH_MAX: usize = 64;

/// The root of a file's only document, if there is one, and what is wrong with the file; `range` is where in `text` it is.
pub(super) fn compose(text: &str, range: Range<usize>) -> (Option<Arc<Node>>, Vec<Problem>) {
    let start = range.start;
    let file = &text[range];
    if file.len() > FILE_BYTES_MAX {
        let megabytes = FILE_BYTES_MAX / 1024 / 1024;
        let message = format!("the file has {} bytes; a DAG file has at most {megabytes} MiB", file.len());
        let problem = Problem::new(Code::TooLarge, message, Place { start, end: start }, "")
            .help("keep data in files of its own, and name them in the DAG");
        return (None, vec![problem]);
    }
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut composer = Composer {
        text,
        start,
        events: Parser::new_from_str_with_options(file, options),
        anchors: HashMap::new(),
        problems: Vec::new(),
        nodes: 0,
    };
    let root = match composer.document() {
        Ok(root) => root,
        Err(problem) => {
            composer.problems.push(*problem);
            None
        }
    };
    (root, composer.problems)
}

struct Composer<'a> {
    text: &'a str,
    /// Where in the text the file begins.
    start: usize,
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Arc<Node>>,
    problems: Vec<Problem>,
    nodes: usize,
}

/// What makes the rest of the text unreadable; boxed, because it is rare.
type Fatal = Box<Problem>;

impl<'a> Composer<'a> {
    fn document(&mut self) -> Result<Option<Arc<Node>>, Fatal> {
        let mut root = None;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "the file holds more than one YAML document";
                    let problem = Problem::new(Code::Syntax, message, place, "the second one begins here")
                        .help("to keep several DAGs in one file, put each under its id");
                    return Err(Box::new(problem));
                }
                Event::DocumentStart(..) => match self.next()? {
                    Some((event, place)) => root = Some(self.node(event, place)?),
                    None => break,
                },
                _ => (),
            }
        }
        Ok(root)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Place)>, Fatal> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, place_of(&span, self.start)))),
            Some(Err(error)) => Err(Box::new(syntax_problem(self.text, self.start, &error))),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place) -> Result<Arc<Node>, Fatal> {
        self.spend(1, place)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.to_string());
                let value = self.scalar(&text, style, tag.as_deref(), place);
                (anchor, Node::new(place, value))
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_tag(tag.map(|tag| tag.to_string()).as_deref(), "seq", place);
                let (items, end) = self.sequence()?;
                let last = items.last().map(|item: &Arc<Node>| item.place.end);
                (anchor, Node::new(enclosing(place, last, style, end), Yaml::List(items)))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_tag(tag.map(|tag| tag.to_string()).as_deref(), "map", place);
                let (mapping, end) = self.mapping()?;
                let last = mapping.entries.iter().map(|entry| entry.value.place.end.max(entry.key_place.end)).max();
                (anchor, Node::new(enclosing(place, last, style, end), Yaml::Map(mapping)))
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).map(Arc::clone) else {
                    let problem = Problem::new(Code::Syntax, "an alias stands inside its own anchor", place, "here");
                    return Err(Box::new(problem));
                };
                return Ok(node);
            }
            Event::UnresolvedAlias(name) => {
                let message = format!("the alias `*{name}` has no anchor");
                self.problems.push(Problem::new(Code::Syntax, message, place, "used here").help(format!(
                    "an anchor `&{name}` must come before it; a text that begins with `*` needs quotes"
                )));
                (0, Node::new(place, Yaml::Null))
            }
            _ => (0, Node::new(place, Yaml::Null)),
        };
        self.bound(&node)?;
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&str>, place: Place) -> Yaml {
        match tag.map(core_tag) {
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None | Some(Some("str")) => Yaml::Text(text.to_owned()),
            // The tag only says what the text shows.
            Some(Some("null" | "bool" | "int" | "float" | "timestamp")) => scalar::resolve(text),
            Some(_) => {
                self.refuse_tag(tag, "str", place);
                Yaml::Text(text.to_owned())
            }
        }
    }

    fn refuse_tag(&mut self, tag: Option<&str>, usual: &str, place: Place) {
        let Some(tag) = tag else { return };
        if core_tag(tag) == Some(usual) {
            return;
        }
        let tag = tag.replacen("tag:yaml.org,2002:", "!!", 1);
        let problem = Problem::new(Code::Unsupported, format!("the tag `{tag}` is not served"), place, "tagged here")
            .help("DAG files are data: there is no Python behind them, so tags have nothing to make");
        self.problems.push(problem);
    }

    fn sequence(&mut self) -> Result<(Vec<Arc<Node>>, Place), Fatal> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, end)) => return Ok((items, end)),
                Some((event, place)) => items.push(self.node(event, place)?),
                None => return Ok((items, Place::default())),
            }
        }
    }

    fn mapping(&mut self) -> Result<(Mapping, Place), Fatal> {
        let mut own = MappingBuilder::default();
        let mut merges = Vec::new();
        let end = loop {
            let (event, key_place) = match self.next()? {
                Some((Event::MappingEnd, end)) => break end,
                Some(key) => key,
                None => break Place::default(),
            };
            let key = self.key(event, key_place)?;
            let Some((event, place)) = self.next()? else { break Place::default() };
            let value = self.node(event, place)?;
            match key {
                Some(key) if key == "<<" => merges.push((key_place, value)),
                Some(key) => {
                    if let Err(problem) = own.insert(Entry { key, key_place, value }) {
                        self.problems.push(*problem);
                    }
                }
                None => (),
            }
        };
        for (place, value) in merges {
            self.merge(&mut own, place, &value)?;
        }
        Ok((own.mapping, end))
    }

    /// The text of a key; numbers and dates count as the text that they are.
    fn key(&mut self, event: Event<'a>, place: Place) -> Result<Option<String>, Fatal> {
        if let Event::Scalar(text, _, anchor, _) = &event {
            let text = text.to_string();
            if *anchor != 0 {
                let _ = self.node(event, place)?;
            }
            return Ok(Some(text));
        }
        let node = self.node(event, place)?;
        if let Some(text) = node.as_text() {
            return Ok(Some(text.to_owned()));
        }
        let message = format!("a key must be text, and this one is {}", node.kind());
        let mut problem = Problem::new(Code::Syntax, message, place, "this key");
        if node.as_map().is_some() {
            problem = problem.help("a template that begins a value needs quotes around it: \"{{ ds }}\"");
        }
        self.problems.push(problem);
        Ok(None)
    }

    /// YAML's merge key: what is written in the mapping itself wins, then the mappings in their order.
    fn merge(&mut self, own: &mut MappingBuilder, place: Place, value: &Arc<Node>) -> Result<(), Fatal> {
        let sources: Vec<&Arc<Node>> = match &value.value {
            Yaml::List(items) => items.iter().collect(),
            _ => vec![value],
        };
        for source in sources {
            let Some(mapping) = source.as_map() else {
                let message = format!("`<<` takes a mapping, and this is {}", source.kind());
                self.problems.push(Problem::new(Code::WrongType, message, place, "merged here"));
                continue;
            };
            self.spend(mapping.entries.len(), place)?;
            for entry in &mapping.entries {
                own.fill(entry);
            }
        }
        Ok(())
    }

    fn spend(&mut self, nodes: usize, place: Place) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX { Err(too_many(place)) } else { Ok(()) }
    }

    fn bound(&self, node: &Node) -> Result<(), Fatal> {
        if node.weight > NODES_MAX {
            return Err(too_many(node.place));
        }
        if node.depth > DEPTH_MAX {
            let message = format!("values are nested more than {DEPTH_MAX} levels deep");
            return Err(Box::new(Problem::new(Code::TooLarge, message, node.place.first_line(self.text), "")));
        }
        Ok(())
    }
}

/// A mapping under way, with an index so that large ones stay quick.
#[derive(Default)]
struct MappingBuilder {
    mapping: Mapping,
    index: HashMap<String, usize>,
}

impl MappingBuilder {
    fn insert(&mut self, entry: Entry) -> Result<(), Fatal> {
        if let Some(first) = self.index.get(&entry.key) {
            let message = format!("the key `{}` is there twice", entry.key);
            let first = self.mapping.entries[*first].key_place;
            let problem = Problem::new(Code::DuplicateKey, message, entry.key_place, "again here")
                .also(first, "first here")
                .help("remove one of them");
            return Err(Box::new(problem));
        }
        self.index.insert(entry.key.clone(), self.mapping.entries.len());
        self.mapping.entries.push(entry);
        Ok(())
    }

    fn fill(&mut self, entry: &Entry) {
        if !self.index.contains_key(&entry.key) {
            self.index.insert(entry.key.clone(), self.mapping.entries.len());
            self.mapping.entries.push(entry.clone());
        }
    }
}

/// The short name of a tag of YAML itself; the bare `!` asks for text.
fn core_tag(tag: &str) -> Option<&str> {
    if tag == "!" { Some("str") } else { tag.strip_prefix("tag:yaml.org,2002:") }
}

fn too_many(place: Place) -> Fatal {
    let message = format!("the file holds more than {NODES_MAX} values, with its aliases written out");
    let problem = Problem::new(Code::TooLarge, message, place, "the limit is passed here")
        .help("write the DAG without nested aliases, or split the file");
    Box::new(problem)
}

fn place_of(span: &Span, file_start: usize) -> Place {
    let start = span.start.byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or(start).max(start);
    Place { start: file_start + start, end: file_start + end }
}

/// A flow collection ends at its bracket, a block one with the last thing in it.
fn enclosing(start: Place, last: Option<usize>, style: StructureStyle, end: Place) -> Place {
    let end = if style == StructureStyle::Flow { end.end } else { last.unwrap_or(start.end) };
    Place { start: start.start, end: end.max(start.start) }
}

/// The parser's complaint, with help for the mistakes that people make most.
fn syntax_problem(text: &str, file_start: usize, error: &ScanError) -> Problem {
    let start = error.marker().byte_offset().map_or(text.len(), |offset| file_start + offset);
    let place = Place { start, end: start.saturating_add(1) }.within(text);
    let info = error.info();
    if info.contains("recursion limit") {
        let message = format!("values are nested more than {DEPTH_MAX} levels deep");
        return Problem::new(Code::TooLarge, message, place, "the limit is passed here");
    }
    let line_start = text[..place.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let help = if info.contains("tab") || line[..line.len() - line.trim_start().len()].contains('\t') {
        Some("YAML is indented with spaces; replace the tab")
    } else if line.contains(": {{") || line.contains(": {%") || line.contains("- {{") {
        Some("a template that begins a value needs quotes around it: \"{{ ds }}\"")
    } else if info.contains("mapping") || info.contains("simple key") || info.contains("indentation") {
        Some("look at the indentation of this line and of the one before it, and for a missing `:` or quote")
    } else {
        None
    };
    Problem::new(Code::Syntax, format!("this is not YAML: {info}"), place, "here").maybe_help(help.map(str::to_owned))
}
