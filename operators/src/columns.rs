//! What is said of the names of columns: which one somebody may have meant, and which ones nobody sees.

/// The name among `known` that `name` may have been meant to be.
pub fn similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.7;
    let likeness = |other: &str| strsim::jaro(&other.to_lowercase(), &name.to_lowercase());
    let best = known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > SIMILAR).then_some(best)
}

/// The same as the end of a sentence: ` (did you mean …?)`, or nothing.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    similar(name, known).map(|similar| format!(" (did you mean `{similar}`?)")).unwrap_or_default()
}

/// Names for people: each in backticks, or `none`, the word.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

/// How the names of columns begin that Updraft adds for a while and nobody sees.
const HIDDEN: &str = "__updraft_";

/// The name of a column that nobody sees.
pub fn hidden(name: &str) -> String {
    format!("{HIDDEN}{name}")
}

/// Whether a column is one of those.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with(HIDDEN)
}
