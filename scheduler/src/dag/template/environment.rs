//! The Jinja environment: strict about what is not there, bounded in what it may spend, and without a file system.

use std::sync::OnceLock;

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use super::instant::{Instant, invalid};
use super::python;

/// Steps of the template engine. A loop over the thousand rows that an XCom may have takes some ten thousand.
const FUEL: u64 = 2_000_000;

/// Macros that call macros.
const RECURSION_MAX: usize = 50;

/// The environment, made once: it holds no state of any rendering.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION_MAX);
        environment.set_debug(true);
        environment.set_formatter(format);
        environment.set_unknown_method_callback(python::call_method);
        environment.add_filter("ds", |value: Value| date(&value, "%Y-%m-%d"));
        environment.add_filter("ds_nodash", |value: Value| date(&value, "%Y%m%d"));
        environment.add_filter("ts", |value: Value| Instant::of(&value).map(|instant| instant.isoformat("T")));
        environment.add_filter("ts_nodash", |value: Value| date(&value, "%Y%m%dT%H%M%S"));
        environment.add_filter("ts_nodash_with_tz", |value: Value| date(&value, "%Y%m%dT%H%M%S%z"));
        environment.add_filter("quote", |value: Value| shell_quote(&value));
        environment.add_filter("shell_quote", |value: Value| shell_quote(&value));
        environment
    })
}

fn date(value: &Value, format: &str) -> Result<String, Error> {
    Instant::of(value)?.strftime(format)
}

/// The value as one word of a POSIX shell, whatever is in it.
fn shell_quote(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let text = python::to_text(value);
    if text.contains('\0') {
        return Err(invalid("a word of a shell cannot hold the character NUL".to_owned()));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(text);
    }
    Ok(format!("'{}'", text.replace('\'', r#"'"'"'"#)))
}

/// Writes a value as Python would, because Airflow's templates are read by people who know that.
fn format(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.kind() == ValueKind::Undefined {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&python::to_text(value)),
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the text is too long"))
}
