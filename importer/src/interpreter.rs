//! Follows the statements of a file: names and what they stand for, and the DAGs that come of it.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use tree_sitter::Node;

use crate::Vocabulary;
use crate::arguments::Arguments;
use crate::draft::Draft;
use crate::python::{children, field, fields, text_of};
use crate::remark::{Remark, Weight};
use crate::value::{Evaluated, NotStatic, TaskFunction, Value};

/// A file in which more happens than this is given up: no DAG file has reason to.
const STEPS_MAX: usize = 500_000;

/// Expressions within expressions, and calls within calls, are followed so far.
const DEPTH_MAX: usize = 100;

/// More remarks than this help nobody.
const REMARKS_MAX: usize = 500;

/// Who speaks and has nothing to do with DAGs.
const HARMLESS: [&str; 9] = ["print", "logging", "logger", "log", "LOGGER", "LOG", "sys", "warnings", "load_dotenv"];

/// Where tasks that are made now belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    Dag(usize),
    Group(usize),
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
    Return,
}

/// The names that mean something in a part of the file.
struct Scope<'t> {
    names: HashMap<String, Value<'t>>,
    is_comprehension: bool,
}

/// All that is known at one point of the file.
pub(crate) struct Interpreter<'t> {
    pub(crate) source: &'t str,
    pub(crate) vocabulary: &'t Vocabulary,
    pub(crate) draft: Draft,
    pub(crate) around: Vec<Around>,
    /// What was imported, in full.
    pub(crate) imports: Vec<String>,
    scopes: Vec<Scope<'t>>,
    remarks: Vec<Remark>,
    returned: Value<'t>,
    steps: usize,
    depth: usize,
}

impl<'t> Interpreter<'t> {
    pub(crate) fn new(name: &'t str, source: &'t str, vocabulary: &'t Vocabulary) -> Interpreter<'t> {
        let mut names = HashMap::new();
        names.insert("__name__".to_owned(), Value::Text(name.to_owned()));
        Interpreter {
            source,
            vocabulary,
            draft: Draft::default(),
            around: Vec::new(),
            imports: Vec::new(),
            scopes: vec![Scope { names, is_comprehension: false }],
            remarks: Vec::new(),
            returned: Value::None,
            steps: 0,
            depth: 0,
        }
    }

    /// Follows the whole file.
    pub(crate) fn run(&mut self, module: Node<'t>) {
        if let Some(doc) = self.doc_string(module) {
            self.set("__doc__", Value::Text(doc));
        }
        self.block(module);
        if self.steps > STEPS_MAX {
            let place = first_line(self.source, module.byte_range());
            self.remark(Remark::lost("the file does too much to follow it to its end", place));
        }
    }

    /// What was found.
    pub(crate) fn end(self) -> (Draft, Vec<Remark>) {
        (self.draft, self.remarks)
    }

    pub(crate) fn remark(&mut self, remark: Remark) {
        if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Says that something is left out, and why.
    pub(crate) fn lose(&mut self, what: &str, why: &NotStatic) {
        let remark = Remark::lost(format!("{what}: {}", why.reason), why.place.clone());
        self.remark(Remark { help: why.help.map(str::to_owned), ..remark });
    }

    pub(crate) fn text(&self, node: Node<'t>) -> &'t str {
        text_of(node, self.source)
    }

    /// One more step; an error when it is one too many.
    pub(crate) fn step(&mut self, place: &Range<usize>) -> Result<(), Rc<NotStatic>> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(unknown("the file does too much to follow it to its end", place.clone()));
        }
        Ok(())
    }

    /// As much as so many more steps.
    pub(crate) fn spend(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(steps);
    }

    /// Goes one level deeper for a while.
    pub(crate) fn deeper<T>(
        &mut self,
        place: &Range<usize>,
        inside: impl FnOnce(&mut Self) -> Result<T, Rc<NotStatic>>,
    ) -> Result<T, Rc<NotStatic>> {
        self.step(place)?;
        if self.depth >= DEPTH_MAX {
            return Err(unknown("it is nested too deeply", place.clone()));
        }
        self.depth += 1;
        let done = inside(self);
        self.depth -= 1;
        done
    }

    // Names.

    pub(crate) fn get(&self, name: &str) -> Option<&Value<'t>> {
        self.scopes.iter().rev().find_map(|scope| scope.names.get(name))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Value<'t>> {
        self.scopes.iter_mut().rev().find_map(|scope| scope.names.get_mut(name))
    }

    pub(crate) fn set(&mut self, name: &str, value: Value<'t>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(name.to_owned(), value);
        }
    }

    /// Gives a value to what stands on the left of `:=`: behind the comprehensions that it stands in, it still has it.
    pub(crate) fn set_outside(&mut self, name: &str, value: Value<'t>) {
        if let Some(scope) = self.scopes.iter_mut().rev().find(|scope| !scope.is_comprehension) {
            scope.names.insert(name.to_owned(), value);
        }
    }

    /// Does something in the scope of a comprehension: what it goes through has its name there alone.
    pub(crate) fn scoped<T>(&mut self, deed: impl FnOnce(&mut Interpreter<'t>) -> T) -> T {
        self.scopes.push(Scope { names: HashMap::new(), is_comprehension: true });
        let done = deed(self);
        self.scopes.pop();
        done
    }

    /// Gives a value to what stands on the left of `=`, or behind `for`.
    pub(crate) fn assign(&mut self, target: Node<'t>, value: Value<'t>) {
        match target.kind() {
            "identifier" => self.set(self.text(target), value),
            "pattern_list" | "tuple_pattern" | "list_pattern" => {
                let targets = children(target);
                let items = value.items().filter(|items| items.len() == targets.len());
                for (position, target) in targets.into_iter().enumerate() {
                    let item = items.as_ref().map_or_else(
                        || Value::Unknown(unknown("it is unpacked from something else", target.byte_range())),
                        |items| items[position].clone(),
                    );
                    self.assign(target, item);
                }
            }
            "attribute" => self.assign_attribute(target, value),
            "subscript" => self.assign_item(target, value),
            "list_splat_pattern" => {
                let why = unknown("it is unpacked from something else", target.byte_range());
                for name in children(target) {
                    self.assign(name, Value::Unknown(Rc::clone(&why)));
                }
            }
            _ => {}
        }
    }

    fn assign_item(&mut self, target: Node<'t>, value: Value<'t>) {
        let (Some(object), Some(key)) = (field(target, "value"), field(target, "subscript")) else { return };
        // `globals()[…] = dag` only gives a DAG a name.
        if object.kind() != "identifier" {
            return;
        }
        let name = self.text(object);
        let key = self.eval(key);
        match (self.get_mut(name), key) {
            (Some(Value::Dict(entries)), Ok(key)) => {
                entries.retain(|(known, _)| known.equals(&key) != Some(true));
                entries.push((key, value));
            }
            (Some(Value::List(items)), Ok(Value::Int(index))) => {
                if let Some(item) = usize::try_from(index).ok().and_then(|index| items.get_mut(index)) {
                    *item = value;
                }
            }
            (Some(known), _) => {
                let why = unknown(format!("what `{name}` holds is changed on the way"), target.byte_range());
                *known = Value::Unknown(why);
            }
            (None, _) => {}
        }
    }

    /// `task.doc_md = …`, `dag.doc_md = …`.
    fn assign_attribute(&mut self, target: Node<'t>, value: Value<'t>) {
        let (Some(object), Some(attribute)) = (field(target, "object"), field(target, "attribute")) else { return };
        let key = self.text(attribute);
        if let Ok(object) = self.eval(object) {
            self.say(&object, key, value, target.byte_range());
        }
    }

    // Statements.

    fn block(&mut self, block: Node<'t>) -> Flow {
        let followed = self.deeper(&block.byte_range(), |inside| Ok(inside.statements(block)));
        followed.unwrap_or_else(|why| {
            let place = first_line(self.source, why.place.clone());
            self.lose("a block is left out", &NotStatic { place, ..(*why).clone() });
            Flow::Next
        })
    }

    fn statements(&mut self, block: Node<'t>) -> Flow {
        for statement in children(block) {
            let flow = self.statement(statement);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    fn statement(&mut self, node: Node<'t>) -> Flow {
        let place = node.byte_range();
        if self.step(&place).is_err() {
            return Flow::Return;
        }
        match node.kind() {
            "expression_statement" => {
                for child in children(node) {
                    self.expression_statement(child);
                }
            }
            "import_statement" => self.import(node),
            "import_from_statement" => self.import_from(node),
            "if_statement" => return self.if_statement(node),
            "for_statement" => return self.for_statement(node),
            "with_statement" => return self.with_statement(node),
            "try_statement" => {
                let body = field(node, "body").map_or(Flow::Next, |body| self.block(body));
                let rest =
                    children(node).into_iter().filter(|part| matches!(part.kind(), "else_clause" | "finally_clause"));
                let blocks: Vec<Node<'t>> = rest.filter_map(|clause| children(clause).pop()).collect();
                for block in blocks {
                    self.block(block);
                }
                return body;
            }
            "function_definition" => {
                if let Some(name) = field(node, "name") {
                    self.set(self.text(name), Value::Function(node));
                }
            }
            "decorated_definition" => self.decorated(node),
            "class_definition" => {
                if let Some(name) = field(node, "name") {
                    let name = self.text(name);
                    let why = unknown(format!("`{name}` is a class of this file"), place);
                    self.set(name, Value::Unknown(why));
                }
            }
            "return_statement" => {
                self.returned = match children(node).first() {
                    Some(expression) => {
                        let value = self.eval(*expression);
                        self.known(*expression, value)
                    }
                    None => Value::None,
                };
                return Flow::Return;
            }
            "break_statement" => return Flow::Break,
            "continue_statement" => return Flow::Continue,
            "raise_statement" => return Flow::Return,
            "while_statement" => self.skip(node, "a `while` loop is not followed"),
            "match_statement" => self.skip(node, "a `match` is not followed"),
            _ => {}
        }
        Flow::Next
    }

    /// Leaves a statement out; that matters only if it makes tasks or names.
    fn skip(&mut self, node: Node<'t>, message: &str) {
        let first_line = first_line(self.source, node.byte_range());
        self.remark(Remark::lost(message, first_line));
    }

    fn expression_statement(&mut self, node: Node<'t>) {
        match node.kind() {
            "assignment" => {
                let Some(right) = field(node, "right") else { return };
                let value = if right.kind() == "assignment" {
                    self.expression_statement(right);
                    field(right, "left").map_or(Ok(Value::None), |left| self.eval(left))
                } else {
                    self.eval(right)
                };
                let value = self.known(right, value);
                if let Some(left) = field(node, "left") {
                    self.assign(left, value);
                }
            }
            "augmented_assignment" => self.augmented(node),
            _ => {
                if let Err(why) = self.eval(node) {
                    self.left_out(node, &why);
                }
            }
        }
    }

    /// A value, or that it is not known. Whatever makes tasks is not left out without a word.
    fn known(&mut self, node: Node<'t>, value: Evaluated<'t>) -> Value<'t> {
        value.unwrap_or_else(|why| {
            if self.makes_tasks(node) {
                self.lose("what is made here is left out", &why);
            }
            Value::Unknown(why)
        })
    }

    /// Whether tasks are made in an expression, and nothing was said of it.
    fn makes_tasks(&self, node: Node<'t>) -> bool {
        let place = node.byte_range();
        let is_told = |remark: &Remark| {
            remark.weight == Weight::Lost && place.start <= remark.place.start && remark.place.end <= place.end
        };
        self.text(node).contains("task_id") && node.kind() != "string" && !self.remarks.iter().any(is_told)
    }

    /// A statement that is an expression, and cannot be told.
    fn left_out(&mut self, node: Node<'t>, why: &NotStatic) {
        if self.makes_tasks(node) {
            return self.lose("what is made here is left out", why);
        }
        if node.kind() == "binary_operator" {
            return self.lose("an arrow between tasks is missing", why);
        }
        let first = self.text(node).split(['.', '(']).next().unwrap_or_default();
        if node.kind() == "call" && !HARMLESS.contains(&first) {
            let place = first_line(self.source, node.byte_range());
            self.remark(Remark::noted(format!("what this does is not followed: {}", why.reason), place));
        }
    }

    fn augmented(&mut self, node: Node<'t>) {
        let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return };
        let operator = field(node, "operator").map_or("", |operator| self.text(operator));
        let value = match (self.eval(left), self.eval(right)) {
            (Ok(left), Ok(right)) => self.binary(operator.trim_end_matches('='), left, right, node.byte_range()),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        self.assign(left, value.unwrap_or_else(Value::Unknown));
    }

    fn import(&mut self, node: Node<'t>) {
        for name in fields(node, "name") {
            if name.kind() == "aliased_import" {
                let (Some(name), Some(alias)) = (field(name, "name"), field(name, "alias")) else { continue };
                self.imports.push(self.text(name).to_owned());
                self.set(self.text(alias), Value::Name(self.text(name).to_owned()));
            } else {
                let full = self.text(name);
                let first = full.split('.').next().unwrap_or(full);
                self.imports.push(full.to_owned());
                self.set(first, Value::Name(first.to_owned()));
            }
        }
    }

    fn import_from(&mut self, node: Node<'t>) {
        let module = field(node, "module_name").map_or("", |module| self.text(module));
        for name in fields(node, "name") {
            let (name, alias) = if name.kind() == "aliased_import" {
                let (Some(name), Some(alias)) = (field(name, "name"), field(name, "alias")) else { continue };
                (self.text(name), self.text(alias))
            } else {
                (self.text(name), self.text(name))
            };
            let full = format!("{module}.{name}");
            self.imports.push(full.clone());
            self.set(alias, Value::Name(full));
        }
        if children(node).iter().any(|child| child.kind() == "wildcard_import") {
            self.skip(node, "what `*` imports cannot be told");
        }
    }

    fn if_statement(&mut self, node: Node<'t>) -> Flow {
        let mut branches = vec![(field(node, "condition"), field(node, "consequence"))];
        for alternative in fields(node, "alternative") {
            match alternative.kind() {
                "elif_clause" => branches.push((field(alternative, "condition"), field(alternative, "consequence"))),
                _ => branches.push((None, field(alternative, "body"))),
            }
        }
        for (condition, body) in branches {
            let holds = match condition {
                None => true,
                Some(condition) => match self.truth(condition) {
                    Ok(holds) => holds,
                    Err(why) => {
                        self.lose("an `if` is left out", &why);
                        return Flow::Next;
                    }
                },
            };
            if holds {
                return body.map_or(Flow::Next, |body| self.block(body));
            }
        }
        Flow::Next
    }

    /// Whether a condition holds.
    pub(crate) fn truth(&mut self, condition: Node<'t>) -> Result<bool, Rc<NotStatic>> {
        let value = self.eval(condition)?;
        value.truth().ok_or_else(|| unknown("the condition is known only when it runs", condition.byte_range()))
    }

    fn for_statement(&mut self, node: Node<'t>) -> Flow {
        let (Some(left), Some(right), Some(body)) = (field(node, "left"), field(node, "right"), field(node, "body"))
        else {
            return Flow::Next;
        };
        let items = self.eval(right).and_then(|value| {
            value.items().ok_or_else(|| unknown("what it goes through is known only when it runs", right.byte_range()))
        });
        let items = match items {
            Ok(items) => items,
            Err(why) => {
                self.lose("a loop is left out", &why);
                return Flow::Next;
            }
        };
        for item in items {
            self.assign(left, item);
            match self.block(body) {
                Flow::Break => return Flow::Next,
                Flow::Return => return Flow::Return,
                Flow::Next | Flow::Continue => {}
            }
        }
        field(node, "alternative").and_then(|clause| field(clause, "body")).map_or(Flow::Next, |body| self.block(body))
    }

    fn with_statement(&mut self, node: Node<'t>) -> Flow {
        let before = self.around.len();
        let clauses = children(node).into_iter().filter(|child| child.kind() == "with_clause");
        let items: Vec<Node<'t>> = clauses.flat_map(children).collect();
        for item in items {
            let Some(value) = field(item, "value") else { continue };
            let (value, alias) = if value.kind() == "as_pattern" {
                let parts = children(value);
                (parts.first().copied().unwrap_or(value), field(value, "alias"))
            } else {
                (value, None)
            };
            let entered = match self.eval(value) {
                Ok(entered) => entered,
                Err(why) => {
                    self.lose("a `with` is left out", &why);
                    self.around.truncate(before);
                    return Flow::Next;
                }
            };
            match entered {
                Value::Dag(dag) => self.around.push(Around::Dag(dag)),
                Value::Group(group) => self.around.push(Around::Group(group)),
                _ => {}
            }
            if let Some(target) = alias.and_then(|alias| children(alias).first().copied()) {
                self.assign(target, entered);
            }
        }
        let flow = field(node, "body").map_or(Flow::Next, |body| self.block(body));
        self.around.truncate(before);
        flow
    }

    /// A function with decorators; those of TaskFlow make it something else.
    fn decorated(&mut self, node: Node<'t>) {
        let Some(definition) = field(node, "definition") else { return };
        let Some(name) = field(definition, "name").map(|name| self.text(name)) else { return };
        let mut value = match definition.kind() {
            "function_definition" => Value::Function(definition),
            _ => Value::Unknown(unknown(format!("`{name}` is a class of this file"), definition.byte_range())),
        };
        for decorator in children(node).into_iter().filter(|child| child.kind() == "decorator") {
            let Some(expression) = children(decorator).first().copied() else { continue };
            let is_call = expression.kind() == "call";
            let named = if is_call { field(expression, "function") } else { Some(expression) };
            let Some(Ok(Value::Name(path))) = named.map(|named| self.eval(named)) else {
                value = Value::Unknown(unknown(
                    format!("`{name}` has a decorator that is not known"),
                    decorator.byte_range(),
                ));
                continue;
            };
            let is_airflow = path.starts_with("airflow.");
            let words: Vec<&str> = path.split('.').collect();
            value = match words.as_slice() {
                [.., "dag"] if is_airflow => Value::DagFunction(definition, decorator),
                [.., "task_group"] if is_airflow => Value::GroupFunction(definition, decorator),
                [.., "task" | "setup" | "teardown"] | [.., "task", _] if is_airflow => {
                    let mut settings = if is_call { vec![expression] } else { Vec::new() };
                    if let Value::TaskFunction(outer) = value {
                        settings.extend(outer.settings);
                    }
                    Value::TaskFunction(TaskFunction { function: definition, settings, partial: Vec::new() })
                }
                _ => Value::Unknown(unknown(format!("`{name}` has the decorator `{path}`"), decorator.byte_range())),
            };
        }
        self.set(name, value);
    }

    /// Calls a function of the file, as far as its body can be followed.
    pub(crate) fn call_function(&mut self, function: Node<'t>, arguments: Arguments<'t>) -> Evaluated<'t> {
        let place = arguments.place.clone();
        let scope = self.bind(function, arguments);
        let Some(body) = field(function, "body") else { return Ok(Value::None) };
        self.deeper(&place, |inside| {
            inside.scopes.push(Scope { names: scope, is_comprehension: false });
            inside.returned = Value::None;
            let flow = inside.block(body);
            inside.scopes.pop();
            let returned = std::mem::replace(&mut inside.returned, Value::None);
            Ok(if flow == Flow::Return { returned } else { Value::None })
        })
    }

    /// The parameters of a function with what it is called with, or with their defaults.
    fn bind(&mut self, function: Node<'t>, arguments: Arguments<'t>) -> HashMap<String, Value<'t>> {
        let mut scope = HashMap::new();
        let mut positional = arguments.positional.into_iter();
        let mut named = arguments.named;
        for parameter in field(function, "parameters").map(children).unwrap_or_default() {
            let is_typed = parameter.kind() == "typed_parameter";
            let inner = if is_typed { children(parameter).first().copied() } else { Some(parameter) };
            let Some(inner) = inner else { continue };
            let name = match inner.kind() {
                "identifier" => inner,
                "default_parameter" | "typed_default_parameter" => match field(inner, "name") {
                    Some(name) => name,
                    None => continue,
                },
                "list_splat_pattern" => {
                    let rest = positional.by_ref().map(|given| given.value.unwrap_or_else(Value::Unknown)).collect();
                    if let Some(name) = children(inner).first() {
                        scope.insert(self.text(*name).to_owned(), Value::List(rest));
                    }
                    continue;
                }
                "dictionary_splat_pattern" => {
                    let rest = std::mem::take(&mut named).into_iter();
                    let entries = rest
                        .map(|(name, given)| (Value::Text(name), given.value.unwrap_or_else(Value::Unknown)))
                        .collect();
                    if let Some(name) = children(inner).first() {
                        scope.insert(self.text(*name).to_owned(), Value::Dict(entries));
                    }
                    continue;
                }
                _ => continue,
            };
            let name = self.text(name);
            let by_name = named.iter().position(|(given, _)| given == name);
            let given = match by_name {
                Some(position) => Some(named.remove(position).1.value),
                None => positional.next().map(|given| given.value),
            };
            let value = match (given, field(inner, "value")) {
                (Some(value), _) => value,
                (None, Some(default)) => self.eval(default),
                (None, None) => Err(unknown(format!("`{name}` is not given"), inner.byte_range())),
            };
            scope.insert(name.to_owned(), value.unwrap_or_else(Value::Unknown));
        }
        scope
    }

    /// What stands first in the body of a module or a function, if it is a text.
    pub(crate) fn doc_string(&mut self, block: Node<'t>) -> Option<String> {
        let first = children(block).into_iter().next().filter(|node| node.kind() == "expression_statement")?;
        let text = children(first).into_iter().next().filter(|node| node.kind() == "string")?;
        match self.eval(text) {
            Ok(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Why something cannot be told.
pub(crate) fn unknown(reason: impl Into<String>, place: Range<usize>) -> Rc<NotStatic> {
    Rc::new(NotStatic { reason: reason.into(), place, help: None })
}

/// A place, cut off at the end of its first line.
pub(crate) fn first_line(source: &str, place: Range<usize>) -> Range<usize> {
    let text = source.get(place.clone()).unwrap_or_default();
    place.start..place.start + text.find('\n').unwrap_or(text.len())
}
