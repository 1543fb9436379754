//! What a call is given.

use std::ops::Range;
use std::rc::Rc;

use tree_sitter::Node;

use crate::interpreter::{Interpreter, unknown};
use crate::python::{children, field};
use crate::value::{Evaluated, NotStatic, Value};

/// One argument.
#[derive(Clone, Debug)]
pub(crate) struct Argument<'t> {
    pub(crate) place: Range<usize>,
    pub(crate) value: Evaluated<'t>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Arguments<'t> {
    /// The call.
    pub(crate) place: Range<usize>,
    pub(crate) positional: Vec<Argument<'t>>,
    pub(crate) named: Vec<(String, Argument<'t>)>,
}

impl<'t> Arguments<'t> {
    /// None.
    pub(crate) fn none(place: Range<usize>) -> Arguments<'t> {
        Arguments { place, positional: Vec::new(), named: Vec::new() }
    }

    /// Gives those without a name the names in `order`.
    pub(crate) fn name(mut self, order: &[&str]) -> Result<Vec<(String, Argument<'t>)>, Rc<NotStatic>> {
        if self.positional.len() > order.len() {
            return Err(unknown("it has more arguments than are known", self.place));
        }
        let mut all: Vec<(String, Argument<'t>)> =
            order.iter().map(|name| (*name).to_owned()).zip(self.positional.drain(..)).collect();
        all.extend(self.named);
        Ok(all)
    }

    /// The same, with their values, all of which must be known.
    pub(crate) fn values(self, order: &[&str]) -> Result<Vec<(String, Value<'t>)>, Rc<NotStatic>> {
        self.name(order)?.into_iter().map(|(name, argument)| Ok((name, argument.value?))).collect()
    }

    /// Takes an argument out, by its name or else by its position.
    pub(crate) fn take(&mut self, name: &str, position: Option<usize>) -> Option<Argument<'t>> {
        if let Some(found) = self.named.iter().position(|(known, _)| known == name) {
            return Some(self.named.remove(found).1);
        }
        let position = position.filter(|position| *position < self.positional.len())?;
        Some(self.positional.remove(position))
    }

    /// The values of all without a name, each of which must be known.
    pub(crate) fn items(self) -> Result<Vec<Value<'t>>, Rc<NotStatic>> {
        self.positional.into_iter().map(|argument| argument.value).collect()
    }
}

impl<'t> Interpreter<'t> {
    /// The arguments of a call or a decorator; lists and mappings that are unpacked there are written out.
    pub(crate) fn arguments(&mut self, call: Node<'t>) -> Result<Arguments<'t>, Rc<NotStatic>> {
        let mut all = Arguments::none(call.byte_range());
        let Some(list) = field(call, "arguments") else { return Ok(all) };
        if list.kind() == "generator_expression" {
            let value = self.eval(list);
            all.positional.push(Argument { place: list.byte_range(), value });
            return Ok(all);
        }
        for node in children(list) {
            let place = node.byte_range();
            match node.kind() {
                "keyword_argument" => {
                    let (Some(name), Some(value)) = (field(node, "name"), field(node, "value")) else { continue };
                    let value = self.eval(value);
                    all.named.push((self.text(name).to_owned(), Argument { place, value }));
                }
                "list_splat" => {
                    let inner = children(node).first().copied().unwrap_or(node);
                    let items = self.eval(inner)?.items();
                    let items = items.ok_or_else(|| unknown("what `*` unpacks is not known", place.clone()))?;
                    let arguments = items.into_iter().map(|value| Argument { place: place.clone(), value: Ok(value) });
                    all.positional.extend(arguments);
                }
                "dictionary_splat" => {
                    let inner = children(node).first().copied().unwrap_or(node);
                    let Value::Dict(entries) = self.eval(inner)? else {
                        return Err(unknown("what `**` unpacks is not known", place));
                    };
                    for (key, value) in entries {
                        let Value::Text(name) = key else { continue };
                        all.named.push((name, Argument { place: place.clone(), value: Ok(value) }));
                    }
                }
                _ => {
                    let value = self.eval(node);
                    all.positional.push(Argument { place, value });
                }
            }
        }
        Ok(all)
    }
}
