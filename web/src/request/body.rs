//! JSON bodies, strictly: unknown keys are faults, and every fault is named at once.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use chrono::Utc;
use scheduler::store::read::Range;
use serde_json::{Map, Value};

use crate::error::{ApiError, ValidationError};
use crate::timestamp;

/// A body, read from its fields.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// What can be read from the fields of a body.
pub(crate) trait FromFields: Sized {
    /// Takes every field that is known; what is wrong or left over is a fault of the request.
    fn from_fields(fields: &mut Fields) -> Self;
}

impl<T: FromFields, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<JsonBody<T>, ApiError> {
        let is_json =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(is_json);
        let bytes = read_body(request, state).await?;
        if !is_json {
            let problem = ValidationError::new(
                "model_attributes_type",
                &["body"],
                "Input should be JSON, sent as `application/json`",
                Value::Null,
            );
            return Err(ApiError::Invalid(vec![problem]));
        }
        Fields::read(&bytes).and_then(Fields::into).map(JsonBody)
    }
}

/// A body that may be absent, or null.
pub(crate) struct JsonBodyOrNone<T>(pub(crate) Option<T>);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for JsonBodyOrNone<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<JsonBodyOrNone<T>, ApiError> {
        let bytes = read_body(request, state).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return Ok(JsonBodyOrNone(None));
        }
        Fields::read(&bytes).and_then(Fields::into).map(|body| JsonBodyOrNone(Some(body)))
    }
}

/// Whether a content type is JSON's.
pub(crate) fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// All of a body, up to the limit of the router.
pub(crate) async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB")
        }
        _ => ApiError::bad_request("The body could not be read"),
    })
}

/// The names and numbers that lead from a body to a text with a NUL.
fn place_of_nul(object: &Map<String, Value>) -> Option<Vec<Value>> {
    fn within(value: &Value) -> Option<Vec<Value>> {
        match value {
            Value::String(text) => text.contains('\0').then(Vec::new),
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(number, item)| Some(below(number, within(item)?)))
            }
            Value::Object(object) => place_of_nul(object),
            _ => None,
        }
    }
    fn below(step: impl Into<Value>, mut place: Vec<Value>) -> Vec<Value> {
        place.insert(0, step.into());
        place
    }
    object.iter().find_map(|(name, value)| {
        let place = if name.contains('\0') { Some(Vec::new()) } else { within(value) };
        Some(below(name.as_str(), place?))
    })
}

/// No text may hold a NUL: Postgres keeps none, and what one database refuses the other does not take either.
fn no_nul(place: Vec<Value>) -> ValidationError {
    let loc = std::iter::once(Value::from("body")).chain(place).collect();
    ValidationError {
        kind: "string_unsafe",
        loc,
        msg: "Input should hold no NUL (`\\u0000`)".into(),
        input: Value::Null,
    }
}

/// The fields of a JSON object, taken one by one.
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Where the object is: `body`, and the names and numbers that lead to it.
    place: Vec<Value>,
    problems: Vec<ValidationError>,
}

impl Fields {
    /// The object in a text.
    pub(crate) fn read(bytes: &[u8]) -> Result<Fields, ApiError> {
        let fault = |kind, message: String, input| {
            ApiError::Invalid(vec![ValidationError::new(kind, &["body"], message, input)])
        };
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => {
                let problems = place_of_nul(&object).map(no_nul).into_iter().collect();
                Ok(Fields { object, place: vec!["body".into()], problems })
            }
            Ok(other) => Err(fault("model_attributes_type", "Input should be a valid dictionary".into(), other)),
            Err(error) => Err(fault("json_invalid", format!("JSON decode error: {error}"), Value::Null)),
        }
    }

    /// The value that the fields make up, if nothing is wrong with any of them.
    pub(crate) fn into<T: FromFields>(mut self) -> Result<T, ApiError> {
        let value = self.all();
        if self.problems.is_empty() { Ok(value) } else { Err(ApiError::Invalid(self.problems)) }
    }

    /// The value that all fields make up; what is left over is a fault.
    fn all<T: FromFields>(&mut self) -> T {
        let value = T::from_fields(self);
        for (name, input) in std::mem::take(&mut self.object) {
            self.problem("extra_forbidden", Some(&name), "Extra inputs are not permitted", input);
        }
        value
    }

    fn problem(&mut self, kind: &'static str, name: Option<&str>, message: impl Into<String>, input: Value) {
        let loc = self.place.iter().cloned().chain(name.map(Value::from)).collect();
        self.problems.push(ValidationError { kind, loc, msg: message.into(), input });
    }

    /// Whether a field is there, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether a field is there, and null.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// Says that a field must be there.
    pub(crate) fn require(&mut self, name: &str) {
        if !self.has(name) {
            let input = Value::Object(self.object.clone());
            self.problem("missing", Some(name), "Field required", input);
        }
    }

    /// A fault of the body as a whole, or of one field.
    pub(crate) fn fault(&mut self, name: Option<&str>, message: &str) {
        self.problem("value_error", name, format!("Value error, {message}"), Value::Null);
    }

    fn take<T>(
        &mut self,
        name: &str,
        kind: &'static str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.object.shift_remove(name)?;
        if value.is_null() {
            return None;
        }
        let read = read(&value);
        if read.is_none() {
            self.problem(kind, Some(name), format!("Input should be {wanted}"), value);
        }
        read
    }

    /// A text, or null.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, "string_type", "a valid string", |value| value.as_str().map(str::to_owned))
    }

    /// Anything but null.
    pub(crate) fn anything(&mut self, name: &str) -> Option<Value> {
        self.take(name, "json_type", "a value", |value| Some(value.clone()))
    }

    /// A text of at most so many characters, or null.
    pub(crate) fn short_text(&mut self, name: &str, chars_max: usize) -> Option<String> {
        self.take(name, "string_too_long", &format!("a string of at most {chars_max} characters"), |value| {
            value.as_str().filter(|text| text.chars().count() <= chars_max).map(str::to_owned)
        })
    }

    /// A yes or no, or null.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "bool_type", "a valid boolean", Value::as_bool)
    }

    /// A whole number that counts something, or null.
    pub(crate) fn count(&mut self, name: &str) -> Option<u64> {
        self.take(name, "greater_than_equal", "an integer greater than or equal to 0", |value| {
            value.as_u64().filter(|count| i64::try_from(*count).is_ok())
        })
    }

    /// A whole number of at least `least`, or null.
    pub(crate) fn number(&mut self, name: &str, least: i32) -> Option<i32> {
        let wanted = format!("an integer greater than or equal to {least}");
        self.take(name, "greater_than_equal", &wanted, |value| {
            value.as_i64().and_then(|number| i32::try_from(number).ok()).filter(|number| *number >= least)
        })
    }

    /// An instant with its offset, or null.
    pub(crate) fn instant(&mut self, name: &str) -> Option<chrono::DateTime<Utc>> {
        self.take(name, "timezone_aware", "a datetime with a timezone", |value| {
            value.as_str().and_then(timestamp::read_aware)
        })
    }

    /// Bounds of an instant.
    pub(crate) fn instants(&mut self, name: &str) -> Range<chrono::DateTime<Utc>> {
        Range {
            gte: self.instant(&format!("{name}_gte")),
            gt: self.instant(&format!("{name}_gt")),
            lte: self.instant(&format!("{name}_lte")),
            lt: self.instant(&format!("{name}_lt")),
        }
    }

    /// Bounds of a number.
    pub(crate) fn decimals(&mut self, name: &str) -> Range<f64> {
        let mut bound = |end: &str| self.take(&format!("{name}_{end}"), "float_type", "a valid number", Value::as_f64);
        Range { gte: bound("gte"), gt: bound("gt"), lte: bound("lte"), lt: bound("lt") }
    }

    /// An object, or null.
    pub(crate) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        self.take(name, "dict_type", "a valid dictionary", |value| value.as_object().cloned())
    }

    /// A list of things, each read by `read` from its own fields or from a plain value.
    pub(crate) fn items<T>(&mut self, name: &str, mut read: impl FnMut(Item<'_>) -> T) -> Vec<T> {
        let items = match self.object.shift_remove(name) {
            Some(Value::Array(items)) => items,
            None => return Vec::new(),
            Some(other) => {
                self.problem("list_type", Some(name), "Input should be a valid list", other);
                return Vec::new();
            }
        };
        let mut things = Vec::with_capacity(items.len());
        for (number, value) in items.into_iter().enumerate() {
            let place: Vec<Value> = self.place.iter().cloned().chain([name.into(), number.into()]).collect();
            let mut fields = Fields { object: Map::new(), place, problems: Vec::new() };
            things.push(read(Item { value, fields: &mut fields }));
            self.problems.append(&mut fields.problems);
        }
        things
    }

    /// A list of objects.
    pub(crate) fn objects<T: FromFields>(&mut self, name: &str) -> Vec<T> {
        self.items(name, |item: Item<'_>| item.object())
    }

    /// A list of texts, or null.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        let read = |value: &Value| {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        };
        self.take(name, "list_type", "a list of strings", read).unwrap_or_default()
    }

    /// A list of anything that can be read one by one, or null.
    pub(crate) fn list_of<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(name, "list_type", wanted, |value| value.as_array()?.iter().map(&read).collect())
    }

    /// One word of a closed set, or null.
    pub(crate) fn word(&mut self, name: &str, known: &[&str]) -> Option<String> {
        self.take(name, "enum", &known.join(", "), |value| {
            value.as_str().filter(|word| known.contains(word)).map(str::to_owned)
        })
    }

    /// Words of a closed set, with null as one of them.
    pub(crate) fn words(&mut self, name: &str, known: &[&str]) -> Vec<Option<String>> {
        let read = |value: &Value| {
            value
                .as_array()?
                .iter()
                .map(|item| match item {
                    Value::Null => Some(None),
                    item => item.as_str().filter(|word| known.contains(word)).map(|word| Some(word.to_owned())),
                })
                .collect::<Option<Vec<Option<String>>>>()
        };
        self.take(name, "enum", &format!("a list of {}", known.join(", ")), read).unwrap_or_default()
    }
}

/// One thing of a list.
pub(crate) struct Item<'f> {
    value: Value,
    fields: &'f mut Fields,
}

impl Item<'_> {
    /// The text that it is, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The value that its fields make up; anything but an object has none.
    pub(crate) fn object<T: FromFields>(self) -> T {
        match self.value {
            Value::Object(object) => self.fields.object = object,
            other => self.fields.problem(
                "model_attributes_type",
                None,
                "Input should be a valid dictionary or object to extract fields from",
                other,
            ),
        }
        self.fields.all()
    }
}
