//! Objects of Docker's and Kubernetes' libraries for Python that are no more than records: they become mappings.

use crate::arguments::Arguments;
use crate::value::{Evaluated, Value};

/// A kind of record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record {
    /// Its fields are called as its arguments, of which these may stand without their names.
    Docker(&'static [&'static str]),
    /// Its fields are called as the API has it.
    Kubernetes,
}

/// The record that a class is.
pub(crate) fn record_of(path: &str) -> Option<Record> {
    let class = path.rsplit('.').next()?;
    if path.starts_with("docker.types.") {
        return match class {
            "Mount" => Some(Record::Docker(&["target", "source", "type", "read_only"])),
            "DeviceRequest" | "Ulimit" => Some(Record::Docker(&[])),
            _ => None,
        };
    }
    let is_model = path.starts_with("kubernetes.client.") && class.starts_with("V1");
    is_model.then_some(Record::Kubernetes)
}

impl Record {
    /// The record with these fields; those that are none are left out.
    pub(crate) fn with(self, arguments: Arguments<'_>) -> Evaluated<'_> {
        let order = match self {
            Record::Docker(order) => order,
            Record::Kubernetes => &[],
        };
        let fields = arguments.values(order)?.into_iter().filter(|(_, value)| !matches!(value, Value::None));
        let named = fields.map(|(name, value)| {
            let name = match self {
                Record::Docker(_) => name,
                Record::Kubernetes => field_of(&name),
            };
            (Value::Text(name), value)
        });
        Ok(Value::Dict(named.collect()))
    }
}

/// What the API calls the argument of a model.
fn field_of(name: &str) -> String {
    match name {
        "host_ip" => return "hostIP".to_owned(),
        "host_ipc" => return "hostIPC".to_owned(),
        "host_pid" => return "hostPID".to_owned(),
        _ => {}
    }
    let mut words = name.trim_start_matches('_').split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |field, word| {
        let mut signs = word.chars();
        let begin = signs.next().map(|sign| sign.to_ascii_uppercase());
        field + &begin.into_iter().chain(signs).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_api() {
        let fields = ["image_pull_policy", "name", "host_ip", "_from", "run_as_user"].map(field_of);
        assert_eq!(fields, ["imagePullPolicy", "name", "hostIP", "from", "runAsUser"]);
        assert!(record_of("kubernetes.client.models.V1Volume").is_some());
        assert!(record_of("kubernetes.client.BatchV1Api").is_none());
    }
}
