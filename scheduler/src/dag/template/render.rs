//! A task's arguments with their templates filled in.

use std::io;
use std::sync::Arc;

use minijinja::value::Value as Rendered;
use minijinja::{Environment, Error, ErrorKind};
use serde_json::{Map, Value};

use super::check::holds_template;
use super::environment::environment;
use super::files::{is_template, without_last_break};
use super::objects::Root;
use super::session::Session;
use super::{FileText, Mistake, RenderError, TemplateContext, TemplateProblem, XComs, fault, others, typed};
use crate::operator::ErasedOperator;

/// What one template may make. An argument is a command or a query; data goes through files.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Fills in the templates in the values of `args`, at any depth; keys are left as they are.
///
/// Where the operator's schema asks for a number, boolean, list or mapping, what a template makes becomes one; a string
/// that is one expression and nothing else hands its value over as it is. Everywhere else text stays text.
///
/// Rendering fetches nothing: when a template pulls XComs that `xcoms` does not hold, the error names them, and the caller
/// renders again with them.
pub fn render_args(
    operator: &ErasedOperator,
    args: &Map<String, Value>,
    context: &TemplateContext,
    xcoms: &XComs,
) -> Result<Map<String, Value>, RenderError> {
    render_args_with(operator, args, &[], context, xcoms)
}

/// The same, when the texts of `files` stand for the arguments that name them.
pub fn render_args_with(
    operator: &ErasedOperator,
    args: &Map<String, Value>,
    files: &[FileText],
    context: &TemplateContext,
    xcoms: &XComs,
) -> Result<Map<String, Value>, RenderError> {
    render(operator.schema.as_value(), args, files, context, xcoms)
}

/// The same for the arguments of whatever has a JSON Schema for them.
pub fn render_values(
    schema: &Value,
    args: &Map<String, Value>,
    context: &TemplateContext,
    xcoms: &XComs,
) -> Result<Map<String, Value>, RenderError> {
    render(schema, args, &[], context, xcoms)
}

fn render(
    schema: &Value,
    args: &Map<String, Value>,
    files: &[FileText],
    context: &TemplateContext,
    xcoms: &XComs,
) -> Result<Map<String, Value>, RenderError> {
    let session = Session::new(context, xcoms);
    let mut renderer = Renderer { schema, files, session, problems: Vec::new() };
    let mut rendered = Map::with_capacity(args.len());
    for (key, value) in args {
        let value = renderer.value(value, &mut vec![key.clone()]);
        rendered.insert(key.clone(), value);
    }
    renderer.finish(rendered)
}

/// Fills in one template outside of any operator: the value of `key`.
pub fn render_text(key: &str, text: &str, context: &TemplateContext, xcoms: &XComs) -> Result<String, RenderError> {
    let session = Session::new(context, xcoms);
    let mut renderer = Renderer { schema: &Value::Bool(true), files: &[], session, problems: Vec::new() };
    let rendered = match renderer.text(text) {
        Ok(rendered) => rendered,
        Err(mistake) => {
            renderer.note(&[key.to_owned()], text, mistake);
            String::new()
        }
    };
    renderer.finish(rendered)
}

struct Renderer<'a> {
    schema: &'a Value,
    files: &'a [FileText],
    session: Arc<Session>,
    problems: Vec<TemplateProblem>,
}

impl<'a> Renderer<'a> {
    fn value(&mut self, value: &Value, path: &mut Vec<String>) -> Value {
        if let Some(file) = self.file_at(path).filter(|_| value.is_string()) {
            return self.file(&file.text, path);
        }
        match value {
            Value::String(text) if holds_template(text) => self.string(text, path),
            Value::Array(items) => {
                let inner = items.iter().enumerate();
                Value::Array(inner.map(|(index, item)| self.below(item, index.to_string(), path)).collect())
            }
            Value::Object(entries) => {
                let inner = entries.iter();
                Value::Object(inner.map(|(key, item)| (key.clone(), self.below(item, key.clone(), path))).collect())
            }
            other => other.clone(),
        }
    }

    fn below(&mut self, value: &Value, part: String, path: &mut Vec<String>) -> Value {
        path.push(part);
        let value = self.value(value, path);
        path.pop();
        value
    }

    /// The file that an argument names.
    fn file_at(&self, path: &[String]) -> Option<&'a FileText> {
        if self.files.is_empty() {
            return None;
        }
        let pointer = pointer(path);
        self.files.iter().find(|file| file.file.pointer == pointer)
    }

    /// The text of a file in the place of its name.
    fn file(&mut self, text: &str, path: &[String]) -> Value {
        if is_template(text) {
            return self.string(text, path);
        }
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        typed::Wanted::at(self.schema, &parts).convert(Value::from(without_last_break(text)))
    }

    fn string(&mut self, text: &str, path: &[String]) -> Value {
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let wanted = typed::Wanted::at(self.schema, &parts);
        let result = match typed::sole_expression(text) {
            Some(range) if wanted.is_not_text() => self.native(text, range).map(|value| wanted.convert(value)),
            _ => self.text(text).map(|text| wanted.convert(Value::String(text))),
        };
        result.unwrap_or_else(|mistake| {
            self.note(path, text, mistake);
            Value::Null
        })
    }

    fn text(&self, text: &str) -> Result<String, Mistake> {
        if !others::may_be_named_in(text) {
            return self.text_in(environment(), text);
        }
        self.text_in(&others::environment_with_files(&self.session), text)
    }

    fn text_in(&self, environment: &Environment<'_>, text: &str) -> Result<String, Mistake> {
        let mistake = |error: Error| self.mistake(text, &error);
        let template = environment.template_from_str(text).map_err(mistake)?;
        let mut out = Bounded(Vec::new());
        template.render_captured_to(self.root(), &mut out).map_err(mistake)?;
        String::from_utf8(out.0).map_err(|error| mistake(Error::new(ErrorKind::WriteFailure, error.to_string())))
    }

    fn mistake(&self, text: &str, error: &Error) -> Mistake {
        others::mistake(text, error, &self.session)
    }

    /// The value of the expression in `range` of the text.
    fn native(&self, text: &str, range: std::ops::Range<usize>) -> Result<Value, Mistake> {
        let source = &text[range.clone()];
        let mistake = |error: Error| {
            let inner = fault::mistake(source, &error, Some(&self.session.context));
            Mistake { range: inner.range.start + range.start..inner.range.end + range.start, ..inner }
        };
        let value: Rendered = environment()
            .compile_expression(source)
            .and_then(|expression| expression.eval(self.root()))
            .map_err(mistake)?;
        if value.is_undefined() {
            // The same text as a template says which part of the expression is missing.
            return match self.text(text) {
                Err(mistake) => Err(mistake),
                Ok(_) => Err(mistake(Error::from(ErrorKind::UndefinedError))),
            };
        }
        serde_json::to_value(&value)
            .map_err(|error| mistake(Error::new(ErrorKind::BadSerialization, error.to_string())))
    }

    fn root(&self) -> Rendered {
        Rendered::from_object(Root(Arc::clone(&self.session)))
    }

    fn note(&mut self, path: &[String], text: &str, mistake: Mistake) {
        let (line, column) = fault::position(text, mistake.range.start);
        let file = self.file_at(path).map(|file| file.file.name.clone());
        let (pointer, Mistake { message, help, .. }) = (pointer(path), mistake);
        self.problems.push(TemplateProblem { pointer, file, message, line, column, help });
    }

    /// What is missing comes before mistakes, which may only be their echo.
    fn finish<T>(self, rendered: T) -> Result<T, RenderError> {
        if self.session.needs_asset_events() {
            return Err(RenderError::NeedsAssetEvents);
        }
        if self.session.needs_last_success() {
            return Err(RenderError::NeedsLastSuccess);
        }
        let files = self.session.needed_files();
        if !files.is_empty() {
            return Err(RenderError::NeedsFiles(files));
        }
        let secrets = self.session.needed_secrets();
        if !secrets.is_empty() {
            return Err(RenderError::NeedsSecrets(secrets));
        }
        let needed = self.session.needed();
        if !needed.is_empty() {
            return Err(RenderError::NeedsXCom(needed));
        }
        if self.problems.is_empty() { Ok(rendered) } else { Err(RenderError::Failed(self.problems)) }
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Text that refuses to grow without end.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > TEXT_BYTES_MAX {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
