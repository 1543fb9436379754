//! The rules as people write them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::spark::{SuffixRule, Target};

/// One step of cleaning. The steps are taken in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Turns markers such as `No description available` into NULL.
    Nulls(Nulls),
    /// Gives a column another type; what cannot be cast becomes NULL.
    Cast(Cast),
    /// Reads counts such as `12k` and `3M` as integers.
    SuffixedNumber(SuffixedNumber),
    /// Gives columns other names: `{old: new}`.
    Rename(BTreeMap<String, String>),
    /// Leaves columns out.
    Drop(OneOrMany),
    /// Removes a text from a column's values.
    RemoveText(RemoveText),
    /// Puts columns together into an array.
    Array(ArrayOf),
    /// Reads text as a timestamp in UTC; what is none becomes NULL.
    Timestamp(Timestamp),
    /// Joins columns into one text.
    Concat(Concat),
    /// Keeps one of rows that are the same.
    Deduplicate(Deduplicate),
    /// Keeps these columns, in this order.
    Select(OneOrMany),
    /// Puts these columns first, in this order; the others follow as they are.
    Order(OneOrMany),
}

/// A name, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names,
        }
    }
}

/// Columns of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Columns {
    /// `all` of them.
    #[default]
    #[serde(with = "all_word")]
    #[schemars(with = "AllWord")]
    All,
    /// Those that are named.
    Named(Vec<String>),
}

/// The word `all`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum AllWord {
    All,
}

mod all_word {
    use serde::{Deserialize as _, Deserializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        super::AllWord::deserialize(deserializer).map(|super::AllWord::All| ())
    }
}

/// See [`Rule::Nulls`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nulls {
    /// The markers. A value must equal one of them wholly, in upper and lower case too.
    pub values: Vec<String>,
    /// Where to look: `all` columns, or a list of names.
    #[serde(default)]
    pub columns: Columns,
}

/// See [`Rule::Cast`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// The new type.
    pub to: Target,
}

/// See [`Rule::SuffixedNumber`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuffixedNumber {
    /// The column.
    pub column: String,
    /// What happens to decimals and to numbers that are too large.
    #[serde(default = "letter_off")]
    pub rule: SuffixRule,
}

fn letter_off() -> SuffixRule {
    SuffixRule::LetterOff
}

/// See [`Rule::RemoveText`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveText {
    /// The column.
    pub column: String,
    /// What to remove, letter by letter (no pattern).
    pub text: String,
    /// Where it is removed.
    #[serde(default)]
    pub at: Place,
}

/// Where a text is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Everywhere in the value.
    #[default]
    Anywhere,
    /// At its beginning only.
    Start,
}

/// See [`Rule::Array`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrayOf {
    /// The new column.
    pub into: String,
    /// The columns whose values become its elements. They are kept; `drop` or `select` leaves them out.
    pub of: Vec<String>,
}

/// See [`Rule::Timestamp`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// A pattern such as `yyyy-MM-dd HH:mm:ss` that the whole text must fit. Without it, the usual ISO forms are read.
    #[serde(default)]
    pub format: Option<String>,
}

/// See [`Rule::Concat`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The new column.
    pub into: String,
    /// The columns to join. They are kept; `drop` or `select` leaves them out.
    pub of: Vec<String>,
    /// What stands between the parts.
    #[serde(default)]
    pub separator: String,
    /// What a NULL among the parts does.
    #[serde(default)]
    pub nulls: ConcatNulls,
}

/// What a NULL among the parts does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConcatNulls {
    /// Any NULL makes the whole NULL (Spark: `concat`).
    #[default]
    Any,
    /// NULLs are passed over, with their separator (Spark: `concat_ws`).
    Skip,
}

/// See [`Rule::Deduplicate`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deduplicate {
    /// What makes two rows the same: the whole `row`, or the named columns.
    #[serde(default)]
    pub by: SameBy,
    /// Whether to do it at all; for templates such as `"{{ params.duplicates == 'drop' }}"`.
    #[serde(default = "yes", deserialize_with = "rendered_bool")]
    pub when: bool,
}

/// What makes two rows the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SameBy {
    /// The whole `row`.
    #[default]
    #[serde(with = "row_word")]
    #[schemars(with = "RowWord")]
    Row,
    /// These columns; which of the rows is kept is not defined, as in Spark.
    Columns(Vec<String>),
}

/// The word `row`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RowWord {
    Row,
}

mod row_word {
    use serde::{Deserialize as _, Deserializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        super::RowWord::deserialize(deserializer).map(|super::RowWord::Row| ())
    }
}

fn yes() -> bool {
    true
}

/// A boolean, or what a template makes of one: Jinja writes `True`.
fn rendered_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Rendered {
        Bool(bool),
        Text(String),
    }
    match Rendered::deserialize(deserializer)? {
        Rendered::Bool(value) => Ok(value),
        Rendered::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Rendered::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Rendered::Text(text) => Err(serde::de::Error::custom(format!("`{text}` is neither true nor false"))),
    }
}

/// The name of the rule in reports.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &OneOrMany| names.names().join(", ");
        match self {
            Rule::Nulls(nulls) => match &nulls.columns {
                Columns::All => f.write_str("nulls"),
                Columns::Named(names) => write!(f, "nulls {}", names.join(", ")),
            },
            Rule::Cast(cast) => write!(f, "cast {} to {}", list(&cast.column), cast.to.name()),
            Rule::SuffixedNumber(number) => write!(f, "suffixed_number {}", number.column),
            Rule::Rename(_) => f.write_str("rename"),
            Rule::Drop(names) => write!(f, "drop {}", list(names)),
            Rule::RemoveText(remove) => write!(f, "remove_text {}", remove.column),
            Rule::Array(array) => write!(f, "array {}", array.into),
            Rule::Timestamp(timestamp) => write!(f, "timestamp {}", list(&timestamp.column)),
            Rule::Concat(concat) => write!(f, "concat {}", concat.into),
            Rule::Deduplicate(deduplicate) => match &deduplicate.by {
                SameBy::Row => f.write_str("deduplicate row"),
                SameBy::Columns(names) => write!(f, "deduplicate {}", names.join(", ")),
            },
            Rule::Select(_) => f.write_str("select"),
            Rule::Order(_) => f.write_str("order"),
        }
    }
}
