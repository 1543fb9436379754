//! What is asked of the cluster: the arguments of a task as a Job, laid over a template if there is one.

use std::collections::BTreeMap;

use scheduler::operator::TaskContext;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::args::{EnvVars, JobArgs, PullSecrets};
use crate::bash::EnvValue;
use crate::shapes::OneOrMany;

/// What the Job of a try, and its pods, bear its token as.
pub(super) const TOKEN_LABEL: &str = "updraft-token";

/// A label has no more characters, nor has the name of a Job.
const LABEL_CHARACTERS_MAX: usize = 63;

/// So much of a hash tells values of labels apart.
const HASH_BYTES: usize = 6;

/// So much of the token makes a name that of a try.
const SUFFIX_CHARACTERS: usize = 8;

/// The Job of a try. `template` is a Job, as far as it is written.
pub(super) fn job(args: &JobArgs, template: Value, token: &str, namespace: &str, ctx: &TaskContext) -> Value {
    let mut job = if template.is_object() { template } else { json!({}) };
    let labels = labels(args, token, ctx);
    let annotations = texts(&args.annotations);
    lay_over(
        &mut job,
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": name(args, token, ctx), "namespace": namespace },
            "spec": {
                "backoffLimit": args.backoff_limit,
                "completions": args.completions,
                "completionMode": args.completion_mode,
                "parallelism": args.parallelism,
                "activeDeadlineSeconds": args.active_deadline_seconds.map(|span| span.0.as_secs()),
                "ttlSecondsAfterFinished": args.ttl_seconds_after_finished.map(|span| span.0.as_secs()),
                "suspend": args.suspend,
                "selector": args.selector,
                "manualSelector": args.manual_selector,
                "template": { "spec": pod_spec(args) },
            },
        }),
    );
    // Names under which nobody else could have made it are no more.
    if let Some(metadata) = job["metadata"].as_object_mut() {
        metadata.shift_remove("generateName");
    }
    for place in ["/metadata", "/spec/template/metadata"] {
        lay_over(at(&mut job, place), json!({ "labels": labels.clone(), "annotations": annotations.clone() }));
    }
    let spec = at(&mut job, "/spec");
    default(spec, "backoffLimit", 0);
    default(&mut spec["template"]["spec"], "restartPolicy", "Never");
    lay_over(container_of(&mut spec["template"]["spec"], &args.base_container_name), container(args));
    job
}

/// The name of the Job of a try.
pub(super) fn name(args: &JobArgs, token: &str, ctx: &TaskContext) -> String {
    let wanted = args.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&ctx.key.task_id);
    let allowed = |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '-' };
    let suffix = if args.random_name_suffix { token.get(..SUFFIX_CHARACTERS).unwrap_or(token) } else { "" };
    let room = LABEL_CHARACTERS_MAX - suffix.len() - 1;
    let name: String = wanted.chars().map(allowed).skip_while(|sign| *sign == '-').take(room).collect();
    let parts = [name.trim_end_matches('-'), suffix];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// A text as the value of a label: others are told apart by a hash at their end.
pub(super) fn label(text: &str) -> String {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.".contains(sign);
    let has_ends = text.starts_with(|sign: char| sign.is_ascii_alphanumeric())
        && text.ends_with(|sign: char| sign.is_ascii_alphanumeric());
    if text.len() <= LABEL_CHARACTERS_MAX && text.chars().all(is_plain) && (text.is_empty() || has_ends) {
        return text.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes());
    let hash: String = digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let room = LABEL_CHARACTERS_MAX - hash.len() - 1;
    let kept: String = text.chars().map(|sign| if is_plain(sign) { sign } else { '-' }).take(room).collect();
    format!("{}-{hash}", kept.trim_matches(|sign: char| !sign.is_ascii_alphanumeric())).trim_matches('-').to_owned()
}

/// Airflow's labels, and ours.
fn labels(args: &JobArgs, token: &str, ctx: &TaskContext) -> Map<String, Value> {
    let key = &ctx.key;
    let mut labels = texts(&args.labels);
    let ours = [
        ("dag_id", label(&key.dag_id)),
        ("run_id", label(&key.run_id)),
        ("task_id", label(&key.task_id)),
        ("try_number", ctx.try_number.to_string()),
        (TOKEN_LABEL, token.to_owned()),
    ];
    labels.extend(ours.map(|(name, value)| (name.to_owned(), Value::String(value))));
    if key.map_index >= 0 {
        labels.insert("map_index".to_owned(), key.map_index.to_string().into());
    }
    labels
}

fn texts(values: &BTreeMap<String, EnvValue>) -> Map<String, Value> {
    values.iter().map(|(name, value)| (name.clone(), Value::String(value.text()))).collect()
}

fn pod_spec(args: &JobArgs) -> Value {
    json!({
        "volumes": args.volumes,
        "initContainers": args.init_containers,
        "serviceAccountName": args.service_account_name,
        "automountServiceAccountToken": args.automount_service_account_token,
        "nodeSelector": args.node_selector,
        "affinity": args.affinity,
        "tolerations": args.tolerations,
        "securityContext": args.security_context,
        "priorityClassName": args.priority_class_name,
        "hostNetwork": args.hostnetwork.then_some(true),
        "dnsPolicy": args.dnspolicy,
        "dnsConfig": args.dns_config,
        "hostAliases": args.host_aliases,
        "hostname": args.hostname,
        "subdomain": args.subdomain,
        "runtimeClassName": args.runtime_class_name,
        "schedulerName": args.schedulername,
        "terminationGracePeriodSeconds": args.termination_grace_period,
        "imagePullSecrets": args.image_pull_secrets.as_ref().map(|secrets| match secrets {
            PullSecrets::Names(names) => names.names().iter().map(|name| json!({ "name": name })).collect(),
            PullSecrets::List(list) => json!(list),
        }),
    })
}

fn container(args: &JobArgs) -> Value {
    let words = |written: &Option<OneOrMany>| written.as_ref().map(|words| words.names().to_vec());
    let variables = args.env_vars.as_ref().map(|variables| match variables {
        EnvVars::Values(values) => {
            values.iter().map(|(name, value)| json!({ "name": name, "value": value.text() })).collect()
        }
        EnvVars::List(list) => json!(list),
    });
    json!({
        "image": args.image,
        "command": words(&args.cmds),
        "args": words(&args.arguments),
        "env": variables,
        "envFrom": env_from(args),
        "resources": args.container_resources,
        "imagePullPolicy": args.image_pull_policy,
        "ports": args.ports,
        "volumeMounts": args.volume_mounts,
        "securityContext": args.container_security_context,
    })
}

/// Whole sets of variables.
fn env_from(args: &JobArgs) -> Option<Vec<Value>> {
    let named = args.configmaps.as_ref().map(OneOrMany::names).unwrap_or_default();
    let named = named.iter().map(|name| json!({ "configMapRef": { "name": name } }));
    let sets: Vec<Value> = args.env_from.iter().flatten().map(|set| json!(set)).chain(named).collect();
    (!sets.is_empty()).then_some(sets)
}

/// The container of that name in the spec of a pod: the only one there is, or a new one.
fn container_of<'a>(pod_spec: &'a mut Value, name: &str) -> &'a mut Value {
    let containers = &mut pod_spec["containers"];
    if !containers.is_array() {
        *containers = json!([]);
    }
    let Value::Array(containers) = containers else { unreachable!("it has just been made a list") };
    let found = containers.iter().position(|container| container["name"] == name);
    let at = match (found, containers.len()) {
        (Some(at), _) => at,
        (None, 1) => 0,
        (None, _) => {
            containers.insert(0, json!({}));
            0
        }
    };
    let container = &mut containers[at];
    lay_over(container, json!({ "name": name }));
    container
}

/// The mapping at a place, which is made if it is not there.
fn at<'a>(value: &'a mut Value, place: &str) -> &'a mut Value {
    place.split('/').skip(1).fold(value, |value, key| &mut value[key])
}

fn default(mapping: &mut Value, key: &str, value: impl Into<Value>) {
    if mapping[key].is_null() {
        mapping[key] = value.into();
    }
}

/// Lays a mapping over another: what it does not say stays.
fn lay_over(below: &mut Value, above: Value) {
    match above {
        Value::Null => {}
        Value::Object(entries) => {
            if !below.is_object() {
                *below = json!({});
            }
            for (key, value) in entries.into_iter().filter(|(_, value)| !value.is_null()) {
                lay_over(&mut below[&key], value);
            }
        }
        value => *below = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_over_says_more_and_leaves_the_rest() {
        let mut below = json!({ "a": { "b": 1, "c": [1] }, "d": 2 });
        lay_over(&mut below, json!({ "a": { "b": null, "c": [2, 3], "e": {} }, "f": null }));
        assert_eq!(below, json!({ "a": { "b": 1, "c": [2, 3], "e": {} }, "d": 2 }));
    }

    #[test]
    fn values_of_labels_are_short_and_plain() {
        assert_eq!(label("sales"), "sales");
        let run = label("scheduled__2026-11-21T00:00:00+00:00");
        assert!(run.starts_with("scheduled__2026-11-21T00-00-00-00-00-") && run.len() <= 63, "{run}");
        assert_ne!(run, label("scheduled__2026-11-21T00:00:00-00:00"));
        let long = label(&"a".repeat(100));
        assert!(long.len() == 63 && long != label(&"a".repeat(101)), "{long}");
    }
}
