//! The arguments of `s3`: what each action takes, and what Airflow's classes call it.

use std::time::Duration;

use scheduler::operator::{AirflowClass, ArgumentProblem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::shapes::OneOrMany;
use crate::span::{self, Span};

/// A signed address is good for a week at most, says S3.
const EXPIRES_MAX: Duration = Duration::from_hours(7 * 24);

const CONNECTION: &str = "write `region_name` and `endpoint_url` into the `extra` of the connection";
const POLICY: &str = "S3 refuses these lists for new buckets; say with a policy of the bucket who may read";

/// Arguments of the `s3` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Args {
    /// What to do.
    pub(super) action: Action,
    /// The connection to AWS, or to a server that speaks as S3 does; without it the `AWS_*` variables say who asks.
    #[serde(default)]
    pub(super) conn_id: Option<String>,
    /// The bucket that is listed, deleted from, made or deleted; and that of `keys` which are no `s3://` addresses.
    #[serde(default)]
    pub(super) bucket: Option<String>,
    /// What the keys begin with that are listed or deleted; `logs/2024` also means `logs/2024-01/a`.
    #[serde(default)]
    pub(super) prefix: Option<String>,
    /// What ends the part of a key that counts as a folder. With it, `list` leaves out what is in folders.
    #[serde(default)]
    pub(super) delimiter: Option<String>,
    /// The objects that are deleted: a key or `s3://` address, or several.
    #[serde(default)]
    pub(super) keys: Option<OneOrMany>,
    /// What is read: `s3://bucket/key`, a path on this machine, or a key in `source_bucket`.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// The bucket of `source`, if that is only a key.
    #[serde(default)]
    pub(super) source_bucket: Option<String>,
    /// What is written: `s3://bucket/key`, a path on this machine, or a key in `target_bucket`.
    #[serde(default)]
    pub(super) target: Option<String>,
    /// The bucket of `target`, if that is only a key.
    #[serde(default)]
    pub(super) target_bucket: Option<String>,
    /// The text that is put, in the place of a `source`.
    #[serde(default)]
    pub(super) data: Option<String>,
    /// Whether what is there may be replaced.
    #[serde(default = "yes")]
    pub(super) replace: bool,
    /// What the object is, for whoever fetches it over HTTP: `text/csv`.
    #[serde(default)]
    pub(super) content_type: Option<String>,
    /// Whether `sync` deletes in its target what its source does not have.
    #[serde(default)]
    pub(super) delete_extra: bool,
    /// Whether `delete_bucket` deletes the objects in it first.
    #[serde(default)]
    pub(super) force: bool,
    /// For how long a signed address is good: a duration, or a number of seconds; a week at most.
    #[serde(default = "an_hour")]
    pub(super) expires_in: Span,
    /// What a signed address is for.
    #[serde(default)]
    pub(super) method: SignedMethod,
    /// Where a new bucket is, when that is not the region of the connection.
    #[serde(default)]
    pub(super) region: Option<String>,
    /// With more keys than this, `list` fails: XCom is not for them.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1))]
    pub(super) keys_max: usize,
}

fn yes() -> bool {
    true
}

fn an_hour() -> Span {
    Span(Duration::from_hours(1))
}

fn ten_thousand() -> usize {
    10_000
}

/// What to do: `list` keys or `list_prefixes` (the folders), `get` an object into a file, `put` a file or a text into an
/// object, `copy` or `move` an object, `delete` objects or all below a prefix, `sync` a folder or prefix to another, `presign`
/// an address for whoever has no keys, `create_bucket`, `delete_bucket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    List,
    ListPrefixes,
    Get,
    Put,
    Copy,
    Move,
    Delete,
    Sync,
    Presign,
    CreateBucket,
    DeleteBucket,
}

/// What a signed address is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum SignedMethod {
    /// To fetch the object.
    #[default]
    Get,
    /// To put the object.
    Put,
}

/// The arguments that an action needs, and those that it may have beside `action` and `conn_id`.
fn of_action(action: Action) -> (&'static [&'static str], &'static [&'static str]) {
    match action {
        Action::List | Action::ListPrefixes => (&["bucket"], &["prefix", "delimiter", "keys_max"]),
        Action::Get => (&["source", "target"], &["source_bucket", "replace"]),
        Action::Put => (&["target"], &["source", "data", "target_bucket", "replace", "content_type"]),
        Action::Copy | Action::Move => (&["source", "target"], &["source_bucket", "target_bucket", "replace"]),
        Action::Delete => (&[], &["bucket", "keys", "prefix"]),
        Action::Sync => (&["source", "target"], &["source_bucket", "target_bucket", "delete_extra"]),
        Action::Presign => (&["source"], &["source_bucket", "expires_in", "method"]),
        Action::CreateBucket => (&["bucket"], &["region"]),
        Action::DeleteBucket => (&["bucket"], &["force"]),
    }
}

impl S3Args {
    /// Mistakes that the schema cannot express.
    pub(super) fn check(args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems: Vec<ArgumentProblem> = span::check::<Span>(args, "expires_in").into_iter().collect();
        let Some(word) = args.get("action").and_then(Value::as_str) else { return problems };
        let Ok(action) = serde_json::from_value::<Action>(word.into()) else { return problems };
        let is_there = |key: &str| args.get(key).is_some_and(|value| !value.is_null());
        let mut problem = |key: &str, message: String, help: &str| {
            let pointer = if key.is_empty() { String::new() } else { format!("/{key}") };
            let help = (!help.is_empty()).then(|| help.to_owned());
            problems.push(ArgumentProblem { pointer, message, help });
        };
        let (needed, more) = of_action(action);
        for key in needed.iter().filter(|key| !is_there(key)) {
            problem("", format!("`{word}` needs `{key}`"), "");
        }
        let known = |key: &&String| {
            matches!(key.as_str(), "action" | "conn_id")
                || needed.contains(&key.as_str())
                || more.contains(&key.as_str())
        };
        // `false` asks for nothing.
        for key in args.keys().filter(|key| !known(key) && is_there(key) && args[key.as_str()] != false) {
            problem(key, format!("`{key}` says nothing to `{word}`"), "");
        }
        match action {
            Action::Put if is_there("source") == is_there("data") => {
                problem("", "`put` needs one of `source` and `data`".to_owned(), "");
            }
            Action::Delete if is_there("keys") == is_there("prefix") => {
                problem(
                    "",
                    "`delete` needs one of `keys` and `prefix`".to_owned(),
                    "`prefix` deletes all that begins so",
                );
            }
            Action::Delete if is_there("prefix") && !is_there("bucket") => {
                problem("", "`delete` with a `prefix` needs `bucket`".to_owned(), "");
            }
            _ => {}
        }
        if args.get("prefix").and_then(Value::as_str).is_some_and(|prefix| prefix.trim_matches('/').is_empty())
            && action == Action::Delete
        {
            problem("prefix", EVERYTHING.to_owned(), EVERYTHING_CURE);
        }
        problems
    }

    /// For how long a signed address is good.
    pub(super) fn expires_in(&self) -> Result<Duration, &'static str> {
        match self.expires_in.0 {
            span if span.is_zero() => Err("`expires_in` must be longer than nothing"),
            span if span > EXPIRES_MAX => Err("`expires_in` can be seven days at most"),
            span => Ok(span),
        }
    }
}

/// Said of a prefix that is empty, perhaps because a template made nothing.
pub(super) const EVERYTHING: &str = "an empty `prefix` means every object of the bucket";
pub(super) const EVERYTHING_CURE: &str = "`delete_bucket` with `force: true` deletes them, and the bucket";

/// Airflow's classes.
pub(super) fn classes() -> Vec<AirflowClass> {
    let named = |path: &'static str, action: &str| {
        AirflowClass::named(path)
            .given("action", action)
            .renamed("aws_conn_id", "conn_id")
            .given("conn_id", super::place::DEFAULT_CONNECTION)
            .refused("verify", "the certificate of S3 is always verified; its endpoint stands in the connection")
            .refused("botocore_config", CONNECTION)
    };
    let plain = |path, action| named(path, action).refused("region_name", CONNECTION);
    vec![
        plain("airflow.providers.amazon.aws.operators.s3.S3ListOperator", "list")
            .refused("apply_wildcard", "write the `prefix` before the first star"),
        plain("airflow.providers.amazon.aws.operators.s3.S3ListPrefixesOperator", "list_prefixes"),
        plain("airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator", "put")
            .renamed("s3_key", "target")
            .renamed("s3_bucket", "target_bucket")
            .given("replace", false)
            // S3 encrypts whatever it is not asked to.
            .unneeded("encrypt")
            .refused("acl_policy", POLICY)
            .refused("encoding", "text is put as UTF-8")
            .refused("compression", "compress it in a task of its own"),
        plain("airflow.providers.amazon.aws.transfers.local_to_s3.LocalFilesystemToS3Operator", "put")
            .renamed("filename", "source")
            .renamed("dest_key", "target")
            .renamed("dest_bucket", "target_bucket")
            .given("replace", false)
            .unneeded("encrypt")
            .refused("acl_policy", POLICY)
            .refused("gzip", "compress it in a task of its own"),
        plain("airflow.providers.amazon.aws.operators.s3.S3CopyObjectOperator", "copy")
            .renamed("source_bucket_key", "source")
            .renamed("source_bucket_name", "source_bucket")
            .renamed("dest_bucket_key", "target")
            .renamed("dest_bucket_name", "target_bucket")
            .refused("source_version_id", "the newest version is copied; put an older one back with the tools of AWS")
            .refused("acl_policy", POLICY)
            .refused("meta_data_directive", "a copy has the metadata of its source")
            .refused("kms_key_id", "say in the bucket's settings which key encrypts")
            .refused("kms_encryption_type", "say in the bucket's settings which key encrypts")
            .refused("kms_encryption_context", "say in the bucket's settings which key encrypts"),
        plain("airflow.providers.amazon.aws.operators.s3.S3DeleteObjectsOperator", "delete")
            .refused("from_datetime", "a rule of the bucket's lifecycle deletes by age")
            .refused("to_datetime", "a rule of the bucket's lifecycle deletes by age"),
        named("airflow.providers.amazon.aws.operators.s3.S3CreateBucketOperator", "create_bucket")
            .renamed("bucket_name", "bucket")
            .renamed("region_name", "region")
            .refused("bucket_namespace", "buckets are made in the global namespace"),
        plain("airflow.providers.amazon.aws.operators.s3.S3DeleteBucketOperator", "delete_bucket")
            .renamed("bucket_name", "bucket")
            .renamed("force_delete", "force"),
    ]
}
