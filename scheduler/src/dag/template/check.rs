//! What can be told of a template before there is a run: whether it parses, and whether its names exist.

use super::environment::environment;
use super::{Mistake, fault, names};
use crate::dag::spec::suggest::did_you_mean;

/// Whether a string holds anything to fill in.
pub fn holds_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// What is wrong with a template of a task, as far as that can be told before there is a run.
pub fn check(text: &str) -> Vec<Mistake> {
    check_with(text, &[])
}

/// What is wrong with a template of a mapped task.
pub fn check_in_mapped(text: &str) -> Vec<Mistake> {
    check_with(text, names::IN_MAPPED)
}

/// What is wrong with a template of a callback.
pub fn check_in_callback(text: &str) -> Vec<Mistake> {
    check_with(text, names::IN_CALLBACKS)
}

/// `more` are names that only such templates know.
fn check_with(text: &str, more: &'static [&'static str]) -> Vec<Mistake> {
    let environment = environment();
    let template = match environment.template_from_str(text) {
        Ok(template) => template,
        Err(error) => return vec![fault::mistake(text, &error, None)],
    };
    let globals: Vec<&str> = environment.globals().map(|(name, _)| name).collect();
    let mut unknown: Vec<String> = template
        .undeclared_variables(false)
        .into_iter()
        .filter(|name| !names::known().chain(more.iter().copied()).any(|known| known == name))
        .filter(|name| !globals.contains(&name.as_str()))
        .collect();
    unknown.sort();
    let mut mistakes: Vec<Mistake> = unknown.iter().filter_map(|name| unknown_name(text, name)).collect();
    mistakes.sort_by_key(|mistake| mistake.range.start);
    mistakes
}

/// A name that nothing defines; one that is only asked after (`x is defined`, `x | default(…)`) is no mistake.
fn unknown_name(text: &str, name: &str) -> Option<Mistake> {
    let start = find_word(text, name)?;
    let range = start..start + name.len();
    let after = text[range.end..].trim_start();
    if after.starts_with("is defined") || after.starts_with("is not defined") || after.starts_with("is undefined") {
        return None;
    }
    if let Some(filter) = after.strip_prefix('|')
        && (filter.trim_start().starts_with("default") || filter.trim_start().starts_with("d("))
    {
        return None;
    }
    if let Some((message, help)) = names::foreign(name) {
        return Some(Mistake { range, message, help: Some(help.to_owned()) });
    }
    let help = did_you_mean(name, names::known());
    Some(Mistake { range, message: format!("nothing is called `{name}`"), help })
}

/// The first place within an expression or a statement where the word stands by itself.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    text.match_indices(word).map(|(start, _)| start).find(|&start| {
        let before = &text[..start];
        let opened = before.rfind("{{").max(before.rfind("{%"));
        let closed = before.rfind("}}").max(before.rfind("%}"));
        opened.is_some()
            && opened > closed
            && !before.ends_with(is_part)
            && !text[start + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}
