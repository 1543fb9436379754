//! What a worker writes down about a try that ended, and how the scheduler reads it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::active_run::Rendered;
use crate::operator::OutletEvent;
use crate::run::TryEnd;

/// What became of a try, as it is stored between the worker that made it and the scheduler that lets it count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// How it ended.
    #[serde(flatten)]
    pub(crate) end: TryEnd,
    /// What it left behind.
    #[serde(default)]
    pub(crate) xcoms: Vec<(String, Value)>,
    /// What it says of the assets that it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) outlet_events: Vec<OutletEvent>,
    /// What it was given, as people see it.
    #[serde(default)]
    pub(crate) rendered: Rendered,
}

impl Outcome {
    /// Reads a stored outcome. One that cannot be read is that of a try about which nobody knows anything.
    pub(crate) fn read(stored: Value) -> Outcome {
        serde_json::from_value(stored).unwrap_or_else(|error| {
            tracing::error!(%error, "the report of a worker cannot be read; its try counts as lost");
            Outcome { end: TryEnd::Lost, xcoms: Vec::new(), outlet_events: Vec::new(), rendered: Rendered::default() }
        })
    }

    /// As it is stored.
    pub(crate) fn write(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|error| {
            // Only maps with keys that are no strings cannot be written, and there are none here.
            tracing::error!(%error, "the report of a try cannot be written");
            serde_json::json!({ "end": "lost" })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dag::asset::Asset;
    use crate::run::{Next, Pushed};

    #[test]
    fn what_a_worker_writes_is_what_the_scheduler_reads() {
        let ends = [
            TryEnd::Success { pushed: Pushed::Items(3), next: Next::Only(vec!["a".to_owned()]) },
            TryEnd::success(),
            TryEnd::Skipped { reason: "nothing to do".to_owned() },
            TryEnd::Failed { error: "exit code 1".to_owned(), exit_code: Some(1), may_retry: true },
            TryEnd::Lost,
            TryEnd::GivenBack,
        ];
        for end in ends {
            let rendered = Rendered { fields: Some(json!({"a": 1})), label: Some("b".to_owned()) };
            let extra = json!({"rows": 7}).as_object().unwrap().clone();
            let asset = Asset::new(Some("orders"), Some("s3://lake/orders")).unwrap();
            let event = OutletEvent { asset, alias: Some("daily".to_owned()), extra };
            let xcoms = vec![("return_value".to_owned(), json!([1.5]))];
            let outcome = Outcome { end: end.clone(), xcoms, outlet_events: vec![event], rendered };
            let read = Outcome::read(outcome.write());
            assert_eq!(read.end, end);
            assert_eq!(read.xcoms, outcome.xcoms);
            assert_eq!(read.outlet_events, outcome.outlet_events);
            assert_eq!(read.rendered.label, outcome.rendered.label);
        }
    }

    #[test]
    fn what_the_store_writes_by_itself_is_read_too() {
        assert_eq!(Outcome::read(json!({"end": "lost"})).end, TryEnd::Lost);
        assert_eq!(Outcome::read(json!({"end": "given_back"})).end, TryEnd::GivenBack);
        assert_eq!(Outcome::read(json!("nonsense")).end, TryEnd::Lost);
    }
}
