//! What expressions stand for.

use std::ops::Range;
use std::rc::Rc;

use tree_sitter::Node;

use crate::interpreter::{Interpreter, unknown};
use crate::python::{self, children, field, fields};
use crate::sequence;
use crate::text;
use crate::value::{Evaluated, NotStatic, Value, WEIGHT_MAX};

/// A text or a list does not grow beyond so many letters or items.
pub(crate) const SIZE_MAX: usize = 1 << 20;

/// The names of Python's own that are followed.
const BUILTINS: [&str; 20] = [
    "len",
    "str",
    "int",
    "float",
    "bool",
    "range",
    "list",
    "dict",
    "tuple",
    "set",
    "sorted",
    "reversed",
    "enumerate",
    "zip",
    "min",
    "max",
    "sum",
    "print",
    "globals",
    "frozenset",
];

/// What is done with the body of a comprehension.
type Each<'a, 't> = dyn FnMut(&mut Interpreter<'t>, Node<'t>) -> Result<(), Rc<NotStatic>> + 'a;

impl<'t> Interpreter<'t> {
    /// What an expression stands for, or why that cannot be told.
    pub(crate) fn eval(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let value = self.deeper(&place, |inside| inside.evaluate(node))?;
        let weight = value.weight();
        if weight > WEIGHT_MAX {
            return Err(unknown("it is too large, or nested too deeply", place));
        }
        self.spend(weight);
        Ok(value)
    }

    fn evaluate(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        match node.kind() {
            "none" => Ok(Value::None),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "integer" => python::integer(self.text(node))
                .map(Value::Int)
                .ok_or_else(|| unknown("the number is too large", place)),
            "float" => {
                let number = self.text(node).replace('_', "").parse();
                number.map(Value::Float).map_err(|_| unknown("the number cannot be read", place))
            }
            "string" => self.string(node),
            "concatenated_string" => {
                let mut whole = Value::Text(String::new());
                for part in children(node) {
                    let part = self.eval(part)?;
                    whole = self.binary("+", whole, part, place.clone())?;
                }
                Ok(whole)
            }
            "identifier" => self.identifier(node),
            "attribute" => self.attribute(node),
            "call" => self.call(node),
            "subscript" => self.subscript(node),
            "parenthesized_expression" | "await" => match children(node).as_slice() {
                [inner] => self.eval(*inner),
                _ => Err(unknown("it cannot be followed", place)),
            },
            "list" | "set" => Ok(Value::List(self.items(node)?)),
            "tuple" | "expression_list" => Ok(Value::Tuple(self.items(node)?)),
            "dictionary" => self.dictionary(node),
            "list_comprehension" | "generator_expression" | "set_comprehension" => {
                let mut items = Vec::new();
                self.comprehension(node, &mut |inside, body| {
                    items.push(inside.eval(body)?);
                    Ok(())
                })?;
                Ok(Value::List(items))
            }
            "dictionary_comprehension" => {
                let mut entries = Vec::new();
                self.comprehension(node, &mut |inside, body| {
                    if let (Some(key), Some(value)) = (field(body, "key"), field(body, "value")) {
                        entries.push((inside.eval(key)?, inside.eval(value)?));
                    }
                    Ok(())
                })?;
                Ok(Value::Dict(entries))
            }
            "binary_operator" => {
                let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else {
                    return Err(unknown("it cannot be followed", place));
                };
                let operator = field(node, "operator").map_or("", |operator| self.text(operator));
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.binary(operator, left, right, place)
            }
            "unary_operator" => {
                let value = field(node, "argument").map_or(Ok(Value::None), |argument| self.eval(argument))?;
                let operator = field(node, "operator").map_or("", |operator| self.text(operator));
                match (operator, value) {
                    ("-", Value::Int(value)) => Ok(Value::Int(value.wrapping_neg())),
                    ("-", Value::Float(value)) => Ok(Value::Float(-value)),
                    ("-", Value::Length(length)) => Ok(Value::Length(length.negated())),
                    ("+", value) => Ok(value),
                    _ => Err(unknown("it cannot be computed", place)),
                }
            }
            "not_operator" => {
                let Some(argument) = field(node, "argument") else {
                    return Err(unknown("it cannot be followed", place));
                };
                Ok(Value::Bool(!self.truth(argument)?))
            }
            "boolean_operator" => self.boolean(node),
            "comparison_operator" => self.comparison(node),
            "conditional_expression" => match children(node).as_slice() {
                [yes, condition, no] => {
                    let holds = self.truth(*condition)?;
                    self.eval(if holds { *yes } else { *no })
                }
                _ => Err(unknown("it cannot be followed", place)),
            },
            "named_expression" => {
                let (Some(name), Some(value)) = (field(node, "name"), field(node, "value")) else {
                    return Err(unknown("it cannot be followed", place));
                };
                let value = self.eval(value)?;
                self.set_outside(self.text(name), value.clone());
                Ok(value)
            }
            "lambda" => Err(unknown("a lambda is Python code", place)),
            _ => Err(unknown("it is known only when it runs", place)),
        }
    }

    fn identifier(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let name = self.text(node);
        match self.get(name) {
            Some(Value::Unknown(why)) => {
                let reason = format!("`{name}` is not known here, because {}", why.reason);
                Err(Rc::new(NotStatic { reason, place: node.byte_range(), help: why.help }))
            }
            Some(value) => Ok(value.clone()),
            None if BUILTINS.contains(&name) => Ok(Value::Name(format!("builtins.{name}"))),
            None => Err(unknown(format!("`{name}` is not known here"), node.byte_range())),
        }
    }

    fn attribute(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let (Some(object), Some(attribute)) = (field(node, "object"), field(node, "attribute")) else {
            return Err(unknown("it cannot be followed", place));
        };
        let name = self.text(attribute);
        let value = self.eval(object)?;
        match value {
            Value::Name(path) => Ok(Value::Name(format!("{path}.{name}"))),
            Value::Task(task) if name == "output" => Ok(Value::Output(task, None)),
            Value::Task(task) if name == "task_id" => Ok(Value::Text(self.draft.id(crate::draft::End::Task(task)))),
            Value::Group(group) if name == "group_id" => {
                Ok(Value::Text(self.draft.id(crate::draft::End::Group(group))))
            }
            Value::Dag(dag) if name == "dag_id" => Ok(Value::Text(self.draft.dags[dag].dag_id.clone())),
            Value::Date(date) => sequence::part_of_date(&date, name)
                .map(Value::Int)
                .ok_or_else(|| unknown(format!("`{name}` of a date is not followed"), place)),
            _ => Err(unknown(format!("`{}` is known only when it runs", self.text(node)), place)),
        }
    }

    /// The items of a list, those that are unpacked into it written out.
    fn items(&mut self, node: Node<'t>) -> Result<Vec<Value<'t>>, Rc<NotStatic>> {
        let mut items = Vec::new();
        for item in children(node) {
            if item.kind() == "list_splat" {
                let inner = children(item).first().copied().unwrap_or(item);
                let unpacked = self.eval(inner)?.items();
                items.extend(unpacked.ok_or_else(|| unknown("what `*` unpacks is not known", item.byte_range()))?);
            } else {
                items.push(self.eval(item)?);
            }
        }
        Ok(items)
    }

    fn dictionary(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let mut entries: Vec<(Value<'t>, Value<'t>)> = Vec::new();
        let mut put = |key: Value<'t>, value: Value<'t>| match entries
            .iter_mut()
            .find(|(known, _)| known.equals(&key) == Some(true))
        {
            Some((_, known)) => *known = value,
            None => entries.push((key, value)),
        };
        for entry in children(node) {
            if entry.kind() == "dictionary_splat" {
                let inner = children(entry).first().copied().unwrap_or(entry);
                let Value::Dict(unpacked) = self.eval(inner)? else {
                    return Err(unknown("what `**` unpacks is not known", entry.byte_range()));
                };
                for (key, value) in unpacked {
                    put(key, value);
                }
            } else if let (Some(key), Some(value)) = (field(entry, "key"), field(entry, "value")) {
                let key = self.eval(key)?;
                // One value that is not known does not take the others with it.
                put(key, self.eval(value).unwrap_or_else(Value::Unknown));
            }
        }
        Ok(Value::Dict(entries))
    }

    /// Does something with the body of a comprehension for each combination of its loops.
    fn comprehension(&mut self, node: Node<'t>, each: &mut Each<'_, 't>) -> Result<(), Rc<NotStatic>> {
        let Some(body) = field(node, "body") else { return Err(unknown("it cannot be followed", node.byte_range())) };
        let clauses: Vec<Node<'t>> =
            children(node).into_iter().filter(|part| matches!(part.kind(), "for_in_clause" | "if_clause")).collect();
        self.scoped(|inside| inside.clauses(&clauses, body, each))
    }

    fn clauses(&mut self, clauses: &[Node<'t>], body: Node<'t>, each: &mut Each<'_, 't>) -> Result<(), Rc<NotStatic>> {
        let Some((first, rest)) = clauses.split_first() else { return each(self, body) };
        if first.kind() == "if_clause" {
            let holds = match children(*first).first() {
                Some(condition) => self.truth(*condition)?,
                None => true,
            };
            return if holds { self.clauses(rest, body, each) } else { Ok(()) };
        }
        let (Some(left), Some(right)) = (field(*first, "left"), fields(*first, "right").first().copied()) else {
            return Err(unknown("it cannot be followed", first.byte_range()));
        };
        let items = self.eval(right)?.items();
        let items =
            items.ok_or_else(|| unknown("what it goes through is known only when it runs", right.byte_range()))?;
        for item in items {
            self.step(&first.byte_range())?;
            self.assign(left, item);
            self.clauses(rest, body, each)?;
        }
        Ok(())
    }

    fn boolean(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else {
            return Err(unknown("it cannot be followed", node.byte_range()));
        };
        let is_and = field(node, "operator").is_some_and(|operator| self.text(operator) == "and");
        let value = self.eval(left)?;
        let truth =
            value.truth().ok_or_else(|| unknown("the condition is known only when it runs", left.byte_range()))?;
        if truth == is_and { self.eval(right) } else { Ok(value) }
    }

    fn comparison(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let operands = children(node);
        let mut cursor = node.walk();
        let operators: Vec<String> = node
            .children_by_field_name("operators", &mut cursor)
            .map(|operator| self.text(operator).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let values: Vec<Value<'t>> = operands.iter().map(|operand| self.eval(*operand)).collect::<Result<_, _>>()?;
        let mut holds = true;
        for (pair, operator) in values.windows(2).zip(&operators) {
            let compared = sequence::compare(operator, &pair[0], &pair[1]);
            holds &= compared.ok_or_else(|| unknown("the condition is known only when it runs", place.clone()))?;
        }
        Ok(Value::Bool(holds))
    }

    fn subscript(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let place = node.byte_range();
        let Some(object) = field(node, "value") else { return Err(unknown("it cannot be followed", place)) };
        let value = self.eval(object)?;
        if let Value::Name(path) = &value
            && path == "os.environ"
        {
            return Err(environment(place));
        }
        let Some(key) = field(node, "subscript") else { return Err(unknown("it cannot be followed", place)) };
        if key.kind() == "slice" {
            let text = self.text(key);
            let mut bounds = [None, None];
            let mut side = 0;
            let mut cursor = key.walk();
            for part in key.children(&mut cursor) {
                if part.kind() == ":" {
                    side += 1;
                } else if let (Some(bound), Value::Int(index)) = (bounds.get_mut(side), self.eval(part)?) {
                    *bound = Some(index);
                }
            }
            let sliced = if side > 1 { None } else { sequence::slice(&value, bounds[0], bounds[1]) };
            return sliced.ok_or_else(|| unknown(format!("the part `[{text}]` of it is not known"), place));
        }
        let key = self.eval(key)?;
        if let (Value::Output(task, None), Value::Text(key)) = (&value, &key) {
            return Ok(Value::Output(*task, Some(key.clone())));
        }
        match sequence::item(&value, &key) {
            Some(Value::Unknown(why)) => Err(why),
            Some(item) => Ok(item),
            None => Err(unknown(format!("`{}` is known only when it runs", self.text(node)), place)),
        }
    }

    /// A text, with what stands in the braces of an f-string filled in.
    fn string(&mut self, node: Node<'t>) -> Evaluated<'t> {
        let mut cursor = node.walk();
        let parts: Vec<Node<'t>> = node.children(&mut cursor).collect();
        let prefix =
            parts.first().map_or("", |start| self.text(*start)).trim_end_matches(['"', '\'']).to_ascii_lowercase();
        let (is_raw, is_formatted) = (prefix.contains('r'), prefix.contains('f'));
        if prefix.contains('b') {
            return Err(unknown("bytes have no place in YAML", node.byte_range()));
        }
        let mut out = String::new();
        let mut is_template = false;
        for part in parts {
            match part.kind() {
                "string_content" => self.content(part, is_raw, is_formatted, &mut out)?,
                "interpolation" => {
                    let Some(expression) = field(part, "expression") else { continue };
                    let value = self.eval(expression)?;
                    let value = self.in_text(value);
                    is_template |= matches!(value, Value::Template(_));
                    let conversion = field(part, "type_conversion").map_or("", |conversion| self.text(conversion));
                    let spec = field(part, "format_specifier").map_or("", |spec| self.text(spec));
                    let written = if conversion == "!r" {
                        value.repr()
                    } else {
                        text::format(&value, spec.trim_start_matches(':'))
                    };
                    let written =
                        written.ok_or_else(|| unknown("how this is written is not known", part.byte_range()))?;
                    out.push_str(&written);
                }
                _ => {}
            }
            if out.len() > SIZE_MAX {
                return Err(unknown("the text is too long", node.byte_range()));
            }
        }
        Ok(if is_template { Value::Template(out) } else { Value::Text(out) })
    }

    fn content(&self, node: Node<'t>, is_raw: bool, is_formatted: bool, out: &mut String) -> Result<(), Rc<NotStatic>> {
        let mut position = node.start_byte();
        let braces =
            |text: &str| if is_formatted { text.replace("{{", "{").replace("}}", "}") } else { text.to_owned() };
        let mut cursor = node.walk();
        for escape in node.named_children(&mut cursor).filter(|child| child.kind() == "escape_sequence") {
            out.push_str(&braces(self.source.get(position..escape.start_byte()).unwrap_or_default()));
            let written = self.text(escape);
            if is_raw {
                out.push_str(written);
            } else {
                let sign = python::escape(written);
                out.push_str(&sign.ok_or_else(|| unknown(format!("`{written}` is not known"), escape.byte_range()))?);
            }
            position = escape.end_byte();
        }
        out.push_str(&braces(self.source.get(position..node.end_byte()).unwrap_or_default()));
        Ok(())
    }

    /// An operator between two values; between tasks it draws an arrow.
    pub(crate) fn binary(
        &mut self,
        operator: &str,
        left: Value<'t>,
        right: Value<'t>,
        place: Range<usize>,
    ) -> Evaluated<'t> {
        match operator {
            ">>" => return self.arrow(left, right, place, false),
            "<<" => return self.arrow(left, right, place, true),
            _ => {}
        }
        let of_assets = match operator {
            "&" => Some("all"),
            "|" => Some("any"),
            _ => None,
        };
        if let (Some(word), Some((left, right))) = (of_assets, crate::timetable::pair(&left, &right)) {
            return Ok(Value::Assets(crate::timetable::join(word, left, right)));
        }
        let computed = match (operator, left, right) {
            ("%", Value::Text(pattern), Value::Tuple(items)) => {
                let items = items.into_iter().map(|item| self.in_text(item)).collect();
                text::percent(&pattern, Value::Tuple(items))
            }
            ("%", Value::Text(pattern), right) => text::percent(&pattern, self.in_text(right)),
            (_, left, right) => sequence::compute(operator, left, right),
        };
        computed.ok_or_else(|| unknown("it cannot be computed", place))
    }

    fn arrow(&mut self, left: Value<'t>, right: Value<'t>, place: Range<usize>, is_back: bool) -> Evaluated<'t> {
        match (left, right) {
            (left, Value::Label) => Ok(Value::Labelled(vec![left])),
            (Value::Label, right) => Ok(right),
            (left, right) => {
                let drawn = if is_back { self.draft.arrow(&right, &left) } else { self.draft.arrow(&left, &right) };
                drawn.map_err(|reason| unknown(reason, place))?;
                Ok(right)
            }
        }
    }
}

/// The environment of whoever runs it.
pub(crate) fn environment(place: Range<usize>) -> Rc<NotStatic> {
    Rc::new(NotStatic {
        reason: "the environment is known only when it runs".to_owned(),
        place,
        help: Some("write a variable, `{{ var.value.NAME }}`, or a param"),
    })
}
