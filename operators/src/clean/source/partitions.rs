//! Folders named `column=value` as columns, as Spark takes them.

use datafusion::common::ScalarValue;

use crate::listing::InputFile;
use crate::spark::text_to_date;

/// What Hive writes for NULL.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values of a file's folders, by the names of the columns.
pub type Values = Vec<(String, ScalarValue)>;

/// The same as they are written.
type Written = Vec<(String, String)>;

/// The files with the same values together, in their order. A column is of the narrowest type that all its values have:
/// int, bigint, double, date, string.
pub fn groups(files: &[InputFile]) -> Vec<(Values, Vec<InputFile>)> {
    let mut groups: Vec<(Written, Vec<InputFile>)> = Vec::new();
    for file in files {
        let values = written(file);
        match groups.iter_mut().find(|(others, _)| *others == values) {
            Some((_, files)) => files.push(file.clone()),
            None => groups.push((values, vec![file.clone()])),
        }
    }
    let all: Written = groups.iter().flat_map(|(values, _)| values.iter().cloned()).collect();
    let typed = |(name, value): (String, String)| {
        let same: Vec<&str> = all.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.as_str()).collect();
        let value = scalar(&value, &same);
        (name, value)
    };
    groups.into_iter().map(|(values, files)| (values.into_iter().map(typed).collect(), files)).collect()
}

/// The pairs in the folders of a file's name.
fn written(file: &InputFile) -> Written {
    let name = file.location.to_string();
    let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
    let pairs = folders.split('/').filter_map(|folder| folder.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

/// `%3A` and the like as what they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let code = hex(*high).unwrap_or_default() * 16 + hex(*low).unwrap_or_default();
                bytes.push(u8::try_from(code).unwrap_or_default());
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn scalar(value: &str, all: &[&str]) -> ScalarValue {
    let is_null = value == NULL;
    let values: Vec<&str> = all.iter().copied().filter(|value| *value != NULL).collect();
    let of = |text: &str| (!is_null).then(|| text.to_owned());
    if values.is_empty() {
        return ScalarValue::Utf8(of(value));
    }
    if values.iter().all(|value| value.parse::<i32>().is_ok()) {
        return ScalarValue::Int32(value.parse().ok());
    }
    if values.iter().all(|value| value.parse::<i64>().is_ok()) {
        return ScalarValue::Int64(value.parse().ok());
    }
    if values.iter().all(|value| value.parse::<f64>().is_ok_and(f64::is_finite)) {
        return ScalarValue::Float64(value.parse().ok());
    }
    if values.iter().all(|value| value.len() == "2018-03-04".len() && text_to_date(value).is_some()) {
        return ScalarValue::Date32(text_to_date(value));
    }
    ScalarValue::Utf8(of(value))
}
