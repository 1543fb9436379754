//! The rules as people write them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::shapes::OneOrMany;
use crate::spark::{Match, Place, SuffixLetter, SuffixRule, Target};

/// One step of cleaning. The steps are taken in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Turns markers such as `No description available` into NULL.
    Nulls(Nulls),
    /// Puts a value in the place of NULL.
    Fill(Fill),
    /// Gives a column another type; what cannot be cast becomes NULL.
    Cast(Cast),
    /// Reads counts such as `12k` and `3M` as integers.
    SuffixedNumber(SuffixedNumber),
    /// Reads text as a timestamp in UTC; what is none becomes NULL.
    Timestamp(Timestamp),
    /// Gives columns other names: `{old: new}`.
    Rename(BTreeMap<String, String>),
    /// Leaves columns out.
    Drop(OneOrMany),
    /// Keeps these columns, in this order.
    Select(OneOrMany),
    /// Puts these columns first, in this order; the others follow as they are.
    Order(OneOrMany),
    /// Removes a text from a column's values.
    RemoveText(RemoveText),
    /// Puts a text in the place of another, or of what fits a pattern.
    Replace(Replace),
    /// Keeps the part of a column's values that fits a pattern.
    Extract(Extract),
    /// Keeps what stands before a delimiter, or after it.
    SubstringIndex(SubstringIndex),
    /// Cuts text into an array at a separator.
    Split(Split),
    /// Takes white space off both ends of text.
    Trim(Trim),
    /// Writes text in lower case: `all` columns of text, or those that are named.
    Lower(Columns),
    /// Writes text in upper case: `all` columns of text, or those that are named.
    Upper(Columns),
    /// Joins columns into one text.
    Concat(Concat),
    /// Puts columns together into an array.
    Array(ArrayOf),
    /// Puts columns together into a struct, whose fields have their names.
    Struct(ArrayOf),
    /// Makes a column by an expression in Spark's SQL.
    Derive(Derive),
    /// Keeps the rows for which a condition in Spark's SQL is true.
    Filter(String),
    /// Removes the rows for which a condition in Spark's SQL is true.
    DropRows(String),
    /// Removes the rows that have NULL in one of these columns.
    DropNulls(OneOrMany),
    /// Makes a row of each element of an array. Rows whose array is empty or NULL go.
    Explode(Explode),
    /// Keeps one of rows that are the same.
    Deduplicate(Deduplicate),
    /// A query in Spark's SQL over all rows, which it finds as the table `input`: `SELECT … FROM input`.
    Sql(String),
}

/// Columns of a rule: the word `all`, a name, or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// All of them that the rule can do something to.
    #[default]
    All,
    /// Those that are named.
    Named(Vec<String>),
}

/// The word for all columns.
const ALL: &str = "all";

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Columns, D::Error> {
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(word) if word == ALL => Columns::All,
            OneOrMany::One(name) => Columns::Named(vec![name]),
            OneOrMany::Many(names) => Columns::Named(names),
        })
    }
}

impl JsonSchema for Columns {
    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all` columns, the name of one, or a list of names.",
            "type": ["string", "array"],
            "items": { "type": "string" }
        })
    }
}

/// See [`Rule::Nulls`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nulls {
    /// The markers.
    pub values: Vec<String>,
    /// Where to look: `all` columns, or a list of names.
    #[serde(default)]
    pub columns: Columns,
    /// When a value is a marker: the `whole` of it equals one, or has one as its `prefix`, or `contains` one.
    #[serde(default, rename = "match")]
    pub how: Match,
    /// Whether upper and lower case are the same.
    #[serde(default)]
    pub ignore_case: bool,
}

/// See [`Rule::Fill`].
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// Where NULL is replaced: `all` columns to whose type the value can be cast, or those that are named.
    #[serde(default)]
    pub columns: Columns,
    /// The value; it is cast to the type of the column.
    pub value: Scalar,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text, a date, a timestamp.
    Text(String),
}

/// See [`Rule::Cast`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// The new type.
    pub to: Target,
    /// For `timestamp` and `date`: a pattern such as `dd/MM/yyyy` that the whole text must fit.
    #[serde(default)]
    pub format: Option<String>,
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
    /// The letters that stand for zeros; of several in one text the first of this list counts.
    #[serde(default = "usual_letters")]
    pub letters: Vec<SuffixLetter>,
    /// How wide the number is.
    #[serde(default)]
    pub to: Width,
}

fn letter_off() -> SuffixRule {
    SuffixRule::LetterOff
}

fn usual_letters() -> Vec<SuffixLetter> {
    SuffixLetter::USUAL.to_vec()
}

/// How wide an integer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// 32 bits.
    #[default]
    Int,
    /// 64 bits.
    Bigint,
}

/// See [`Rule::RemoveText`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveText {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// What to remove, letter by letter (no pattern).
    pub text: String,
    /// Where it is removed.
    #[serde(default)]
    pub at: Place,
}

/// See [`Rule::Replace`]. One of `text` and `pattern` is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// What to replace, letter by letter.
    #[serde(default)]
    pub text: Option<String>,
    /// What to replace, as a regular expression.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What comes in its place; after a `pattern`, `$1` is what its first group has found.
    pub with: String,
    /// Where a `text` is replaced. (A `pattern` says it by `^` and `$`.)
    #[serde(default)]
    pub at: Place,
}

/// See [`Rule::Extract`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// A regular expression. Text without a part that fits becomes empty.
    pub pattern: String,
    /// Which group of the pattern to keep; 0 is all that fits.
    #[serde(default = "first")]
    pub group: usize,
}

fn first() -> usize {
    1
}

/// See [`Rule::SubstringIndex`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubstringIndex {
    /// The column, or several of them.
    pub column: OneOrMany,
    /// The delimiter, letter by letter.
    pub delimiter: String,
    /// Which of the delimiters: 2 keeps what stands before the second one, -1 what stands after the last one.
    pub count: i64,
}

/// See [`Rule::Split`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The column.
    pub column: String,
    /// What stands between the parts, letter by letter.
    pub separator: String,
    /// The column for the array; the same one if it is not given.
    #[serde(default)]
    pub into: Option<String>,
}

/// See [`Rule::Trim`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// Where: `all` columns of text, or those that are named.
    #[serde(default)]
    pub columns: Columns,
    /// Whether white space within becomes one blank, too.
    #[serde(default)]
    pub squeeze: bool,
}

/// See [`Rule::Derive`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Derive {
    /// The column; if there is one of that name, it is replaced.
    pub into: String,
    /// An expression over the columns of a row, such as `year(timestamp)` or `CASE WHEN age > 50 THEN '50+' END`.
    pub sql: String,
}

/// See [`Rule::Explode`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explode {
    /// The column with arrays, which gets their elements.
    pub column: String,
}

/// See [`Rule::Array`] and [`Rule::Struct`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArrayOf {
    /// The new column.
    pub into: String,
    /// The columns whose values become its elements or fields. They are kept; `drop` or `select` leaves them out.
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
    /// Which of them is kept.
    #[serde(default)]
    pub keep: Keep,
    /// By which columns the first and the last are told: names, with ` desc` for the opposite order. Without it by the names
    /// of the files and their lines.
    #[serde(default)]
    pub order_by: Option<OneOrMany>,
    /// Whether to do it at all; for templates such as `"{{ params.duplicates == 'drop' }}"`.
    #[serde(default = "yes", deserialize_with = "rendered_bool")]
    pub when: bool,
}

/// Which of rows that are the same is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Any of them, as Spark's `dropDuplicates` does.
    #[default]
    Any,
    /// The first one.
    First,
    /// The last one.
    Last,
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
    /// These columns.
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

/// A name in `order_by`, and whether the order is the opposite one.
pub fn order(written: &str) -> (String, bool) {
    match written.trim().rsplit_once(' ') {
        Some((name, word)) if word.eq_ignore_ascii_case("desc") => (name.trim().to_owned(), true),
        Some((name, word)) if word.eq_ignore_ascii_case("asc") => (name.trim().to_owned(), false),
        _ => (written.trim().to_owned(), false),
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
        match self {
            Rule::Nulls(nulls) => write!(f, "nulls{}", nulls.columns),
            Rule::Fill(fill) => write!(f, "fill{}", fill.columns),
            Rule::Cast(cast) => write!(f, "cast {} to {}", cast.column.list(), cast.to.name()),
            Rule::SuffixedNumber(number) => write!(f, "suffixed_number {}", number.column),
            Rule::Timestamp(timestamp) => write!(f, "timestamp {}", timestamp.column.list()),
            Rule::Rename(_) => f.write_str("rename"),
            Rule::Drop(names) => write!(f, "drop {}", names.list()),
            Rule::Select(_) => f.write_str("select"),
            Rule::Order(_) => f.write_str("order"),
            Rule::RemoveText(remove) => write!(f, "remove_text {}", remove.column.list()),
            Rule::Replace(replace) => write!(f, "replace {}", replace.column.list()),
            Rule::Extract(extract) => write!(f, "extract {}", extract.column.list()),
            Rule::SubstringIndex(index) => write!(f, "substring_index {}", index.column.list()),
            Rule::Split(split) => write!(f, "split {}", split.column),
            Rule::Trim(trim) => write!(f, "trim{}", trim.columns),
            Rule::Lower(columns) => write!(f, "lower{columns}"),
            Rule::Upper(columns) => write!(f, "upper{columns}"),
            Rule::Concat(concat) => write!(f, "concat {}", concat.into),
            Rule::Array(array) => write!(f, "array {}", array.into),
            Rule::Struct(fields) => write!(f, "struct {}", fields.into),
            Rule::Derive(derive) => write!(f, "derive {}", derive.into),
            Rule::Filter(condition) => write!(f, "filter {}", condition.trim()),
            Rule::DropRows(condition) => write!(f, "drop_rows {}", condition.trim()),
            Rule::DropNulls(names) => write!(f, "drop_nulls {}", names.list()),
            Rule::Explode(explode) => write!(f, "explode {}", explode.column),
            Rule::Deduplicate(deduplicate) => match &deduplicate.by {
                SameBy::Row => f.write_str("deduplicate row"),
                SameBy::Columns(names) => write!(f, "deduplicate {}", names.join(", ")),
            },
            Rule::Sql(_) => f.write_str("sql"),
        }
    }
}

/// The names after a rule's word; nothing for all columns.
impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Columns::All => Ok(()),
            Columns::Named(names) => write!(f, " {}", names.join(", ")),
        }
    }
}
