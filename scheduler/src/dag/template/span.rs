//! Stretches of time in templates: `macros.timedelta(days=1)`.

use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

/// A stretch of time, positive or negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub TimeDelta);

impl Span {
    #[allow(clippy::cast_precision_loss, reason = "a stretch of time that people write is far below 2^53 microseconds")]
    fn seconds(&self) -> f64 {
        self.0.num_microseconds().map_or_else(|| self.0.num_seconds() as f64, |micros| micros as f64 / 1e6)
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "days" => Value::from(self.0.num_days()),
            "seconds" => Value::from(self.0.num_seconds() - self.0.num_days() * 86_400),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok(Value::from(self.seconds())),
            "in_seconds" => Ok(Value::from(self.0.num_seconds())),
            "in_minutes" => Ok(Value::from(self.0.num_minutes())),
            "in_hours" => Ok(Value::from(self.0.num_hours())),
            "in_days" => Ok(Value::from(self.0.num_days())),
            "in_weeks" => Ok(Value::from(self.0.num_weeks())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Span>()?.0))
    }

    /// As Python writes it: `1 day, 2:00:00`.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.num_seconds().div_euclid(86_400);
        let rest = self.0.num_seconds().rem_euclid(86_400);
        match days {
            0 => (),
            1 | -1 => write!(f, "{days} day, ")?,
            _ => write!(f, "{days} days, ")?,
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}
