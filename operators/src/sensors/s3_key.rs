//! `s3_key_sensor`: waits until objects are in a bucket.
//!
//! ```yaml
//! - task_id: exported
//!   operator: s3_key_sensor
//!   keys: s3://exports/{{ ds }}/*.csv
//!   wildcard_match: true
//! ```

use std::sync::Arc;

use anyhow::Context as _;
use futures::TryStreamExt as _;
use glob::Pattern;
use object_store::ObjectStoreExt as _;
use regex::Regex;
use scheduler::dag::template::holds_template;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::arguments::Patience;
use super::wait::{Rhythm, Sight, Watch};
use crate::location::S3;
use crate::s3::{ObjectPlace, objects_below, reached};
use crate::shapes::OneOrMany;
use crate::shapes::With;
use crate::upload::{judged, refusal};

/// The `s3_key_sensor` operator.
pub struct S3KeySensor {
    surroundings: S3,
    looks: Arc<Semaphore>,
}

impl S3KeySensor {
    /// Reaching buckets through `surroundings` where no connection says otherwise, with as many looks at a time as `looks`
    /// allows.
    pub fn new(surroundings: S3, looks: Arc<Semaphore>) -> S3KeySensor {
        S3KeySensor { surroundings, looks }
    }
}

/// Arguments of the `s3_key_sensor` operator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3KeyArgs {
    /// What it waits for: an object, `s3://bucket/key` or a key in `bucket`, or several, all of which must be there.
    keys: OneOrMany,
    /// The bucket of `keys` that are no whole addresses.
    #[serde(default)]
    bucket: Option<String>,
    /// Whether keys are patterns (`*`, `?`, `[…]`), of which one match each will do. A star goes across slashes.
    #[serde(default)]
    wildcard_match: bool,
    /// Whether keys are regular expressions, which match from the beginning of a key. All keys of the bucket are looked at.
    #[serde(default)]
    use_regex: bool,
    /// Objects with fewer bytes than this do not count.
    #[serde(default)]
    size_min: u64,
    /// The connection to AWS, or to a server that speaks as S3 does; without it the `AWS_*` variables say who asks.
    #[serde(default)]
    conn_id: Option<String>,
}

impl Operator for S3KeySensor {
    const NAME: &'static str = "s3_key_sensor";
    const SUMMARY: &'static str = "Waits until objects are in a bucket of S3.";
    type Args = With<Patience, S3KeyArgs>;

    fn airflow_classes() -> Vec<AirflowClass> {
        const PYTHON: &str = "there is no Python to call; `size_min` says how large an object must be";
        let class = AirflowClass::named("airflow.providers.amazon.aws.sensors.s3.S3KeySensor")
            .renamed("bucket_key", "keys")
            .renamed("bucket_name", "bucket")
            .renamed("aws_conn_id", "conn_id")
            .given("conn_id", "aws_default")
            .refused("check_fn", PYTHON)
            .refused("metadata_keys", PYTHON)
            .refused("verify", "the certificate of S3 is always verified; its endpoint stands in the connection")
            .refused("region", "write `region_name` into the `extra` of the connection")
            .refused("region_name", "write `region_name` into the `extra` of the connection")
            .refused("botocore_config", "write `region_name` and `endpoint_url` into the `extra` of the connection");
        vec![class]
    }

    async fn execute(&self, args: Self::Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let With { own, common: patience } = args;
        let settings = reached(own.conn_id.as_deref(), &self.surroundings, ctx).await?;
        let wanted: Result<Vec<Wanted>, _> = own.keys.names().iter().map(|key| own.wanted(key)).collect();
        let wanted = wanted.map_err(TaskError::fail)?;
        let shown = wanted.iter().map(|wanted| wanted.place.to_string()).collect::<Vec<_>>().join(", ");
        let watch =
            Watch { patience: &patience, ctx, awaited: shown, rhythm: Rhythm::Intervals(Arc::clone(&self.looks)) };
        watch.until(|| look(&wanted, &settings, own.size_min)).await
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        let mut problems = Patience::check(args);
        let is_set = |key: &str| args.get(key) == Some(&Value::Bool(true));
        if is_set("wildcard_match") && is_set("use_regex") {
            problems.push(ArgumentProblem {
                pointer: "/use_regex".to_owned(),
                message: "`wildcard_match` and `use_regex` exclude each other".to_owned(),
                help: None,
            });
        }
        let Some(Ok(own)) = args.get("keys").map(|keys| serde_json::from_value::<OneOrMany>(keys.clone())) else {
            return problems;
        };
        let bucket = args.get("bucket").and_then(Value::as_str);
        for key in own.names().iter().filter(|key| !holds_template(key)) {
            let trial = S3KeyArgs {
                keys: OneOrMany::One(key.clone()),
                bucket: bucket.map(str::to_owned),
                wildcard_match: is_set("wildcard_match"),
                use_regex: is_set("use_regex"),
                size_min: 0,
                conn_id: None,
            };
            if let Err(error) = trial.wanted(key) {
                problems.push(ArgumentProblem {
                    pointer: "/keys".to_owned(),
                    message: format!("{error:#}"),
                    help: None,
                });
            }
        }
        problems
    }
}

/// What must be there.
struct Wanted {
    place: ObjectPlace,
    matching: Matching,
}

enum Matching {
    Exactly,
    Pattern(Pattern),
    Regex(Regex),
}

impl S3KeyArgs {
    fn wanted(&self, key: &str) -> anyhow::Result<Wanted> {
        let place = ObjectPlace::parse(key, self.bucket.as_deref())?;
        let matching = if self.wildcard_match {
            Matching::Pattern(Pattern::new(&place.key).with_context(|| format!("`{key}` is no pattern"))?)
        } else if self.use_regex {
            let anchored = Regex::new(&format!("^(?:{})", place.key));
            Matching::Regex(anchored.with_context(|| format!("`{key}` is no regular expression"))?)
        } else {
            place.path()?;
            Matching::Exactly
        };
        Ok(Wanted { place, matching })
    }
}

async fn look(wanted: &[Wanted], settings: &S3, size_min: u64) -> Result<Sight, TaskError> {
    for one in wanted {
        let is_there = one.is_there(settings, size_min).await;
        if !is_there.with_context(|| format!("cannot look for {}", one.place)).map_err(judged)? {
            return Ok(Sight::NotYet);
        }
    }
    Ok(Sight::There)
}

impl Wanted {
    async fn is_there(&self, settings: &S3, size_min: u64) -> anyhow::Result<bool> {
        let ObjectPlace { bucket, key } = &self.place;
        let store = settings.bucket(bucket).map_err(|error| refusal(&error))?;
        if let Matching::Exactly = self.matching {
            return match store.head(&self.place.path()?).await {
                Ok(object) => Ok(object.size >= size_min),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(refusal(&error)),
            };
        }
        let prefix = match self.matching {
            Matching::Pattern(_) => key.split(['*', '?', '[']).next().unwrap_or_default(),
            _ => "",
        };
        let mut objects = objects_below(store, prefix.to_owned());
        while let Some(object) = objects.try_next().await? {
            let name = object.location.as_ref();
            let matches = match &self.matching {
                Matching::Pattern(pattern) => pattern.matches(name),
                Matching::Regex(regex) => regex.is_match(name),
                Matching::Exactly => false,
            };
            if matches && object.size >= size_min {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
