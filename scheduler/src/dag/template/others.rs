//! Templates that a template includes, imports or extends: files that are looked for where template files are.

use std::sync::Arc;

use minijinja::{Environment, Error};

use super::environment::environment;
use super::session::Session;
use super::{Mistake, fault};

/// Whether a template may name others.
pub(super) fn may_be_named_in(text: &str) -> bool {
    text.contains("{%") && ["include", "import", "extends"].iter().any(|word| text.contains(word))
}

/// The environment of a rendering, in which the files that it has are templates. Those that it has not are noted.
pub(super) fn environment_with_files(session: &Arc<Session>) -> Environment<'static> {
    let mut environment = environment().clone();
    let session = Arc::clone(session);
    environment.set_loader(move |name| Ok(session.file(name).map(str::to_owned)));
    environment
}

/// What is wrong with a template, or with one that it names.
pub(super) fn mistake(text: &str, error: &Error, session: &Session) -> Mistake {
    let context = Some(&session.context);
    let innermost = innermost(error);
    let other = innermost.name().and_then(|name| Some((name, session.read_file(name)?)));
    let Some((name, other)) = other else { return fault::mistake(text, error, context) };
    let Mistake { range, message, help } = fault::mistake(other, innermost, context);
    let (line, column) = fault::position(other, range.start);
    let message = format!("`{name}`, line {line}, column {column}: {message}");
    Mistake { range: fault::range(text, error), message, help }
}

/// The error that began it: an include wraps what went wrong in it.
fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while let Some(inner) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref::<Error>()) {
        innermost = inner;
    }
    innermost
}
