//! The operator: one action a task.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, anyhow};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore as _;
use object_store::signer::Signer as _;
use scheduler::operator::{AirflowClass, ArgumentProblem, Operator, Outcome, TaskContext, TaskError};
use serde_json::{Map, Value, json};

use super::args::{Action, EVERYTHING, EVERYTHING_CURE, S3Args, SignedMethod, classes};
use super::listing::{list, objects_below};
use super::objects::Objects;
use super::place::{ObjectPlace, Place, reached};
use super::requests::Buckets;
use super::sync::sync;
use crate::location::S3;
use crate::shapes::OneOrMany;
use crate::upload::refusal;

/// So many objects are deleted at a time, when each takes a request.
const AT_ONCE: usize = 8;

/// The `s3` operator.
#[derive(Clone, Debug)]
pub struct S3Operator {
    surroundings: S3,
}

impl S3Operator {
    /// Reaching buckets through `surroundings` where no connection says otherwise.
    pub fn new(surroundings: S3) -> S3Operator {
        S3Operator { surroundings }
    }
}

impl Operator for S3Operator {
    const NAME: &'static str = "s3";
    const SUMMARY: &'static str = "Lists, fetches, puts, copies and deletes objects of S3, and keeps folders alike.";
    type Args = S3Args;

    fn airflow_classes() -> Vec<AirflowClass> {
        classes()
    }

    async fn execute(&self, args: S3Args, ctx: &TaskContext) -> Result<Outcome, TaskError> {
        let settings = reached(args.conn_id.as_deref(), &self.surroundings, ctx).await?;
        let buckets = Buckets::open(&settings, ctx)?;
        let work = Work { objects: Objects { settings, ctx }, buckets, args };
        let done = match work.args.action {
            Action::List => work.list(false).await,
            Action::ListPrefixes => work.list(true).await,
            Action::Get => work.get().await,
            Action::Put => work.put().await,
            Action::Copy => work.copy(false).await,
            Action::Move => work.copy(true).await,
            Action::Delete => work.delete().await,
            Action::Sync => work.sync().await,
            Action::Presign => work.presign().await,
            Action::CreateBucket => work.create_bucket().await,
            Action::DeleteBucket => work.delete_bucket().await,
        };
        done.map(Outcome::value)
    }

    fn check(&self, args: &Map<String, Value>) -> Vec<ArgumentProblem> {
        S3Args::check(args)
    }
}

/// One try.
struct Work<'a> {
    objects: Objects<'a>,
    buckets: Buckets<'a>,
    args: S3Args,
}

impl Work<'_> {
    fn bucket(&self) -> Result<&str, TaskError> {
        self.args.bucket.as_deref().ok_or_else(|| TaskError::fail(anyhow!("it needs `bucket`")))
    }

    fn source(&self) -> Result<Place, TaskError> {
        self.place("source", self.args.source.as_deref(), self.args.source_bucket.as_deref())
    }

    fn target(&self) -> Result<Place, TaskError> {
        self.place("target", self.args.target.as_deref(), self.args.target_bucket.as_deref())
    }

    fn place(&self, role: &str, text: Option<&str>, bucket: Option<&str>) -> Result<Place, TaskError> {
        let text = text.ok_or_else(|| TaskError::fail(anyhow!("it needs `{role}`")))?;
        let place = Place::parse(text, bucket, &self.objects.ctx.home);
        place.with_context(|| format!("`{role}`")).map_err(TaskError::fail)
    }

    fn say(&self, words: impl std::fmt::Display) {
        self.objects.ctx.log.info(words);
    }

    async fn refuse_existing(&self, place: &ObjectPlace) -> Result<(), TaskError> {
        match self.objects.unless_stopped(self.objects.size(place)).await? {
            Some(_) => Err(TaskError::fail(anyhow!("{place} exists already, and `replace` is false"))),
            None => Ok(()),
        }
    }

    async fn list(&self, folders: bool) -> Result<Value, TaskError> {
        let (bucket, prefix) = (self.bucket()?, self.args.prefix.as_deref().unwrap_or_default());
        let delimiter = self.args.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let delimiter = delimiter.or(folders.then_some("/"));
        let store = self.objects.store(bucket)?;
        let listed = self.objects.unless_stopped(list(store, prefix, delimiter, self.args.keys_max)).await;
        let listed = listed.map_err(|error| within(error, format!("s3://{bucket}/{prefix}")))?;
        if folders {
            self.say(format!("s3://{bucket}/{prefix} has {} folders", listed.prefixes.len()));
            return Ok(listed.prefixes.into_iter().collect());
        }
        self.say(format!("s3://{bucket}/{prefix} has {} objects", listed.keys.len()));
        Ok(listed.keys.into())
    }

    async fn get(&self) -> Result<Value, TaskError> {
        let from = self.source()?.object("source").map_err(TaskError::fail)?;
        let to = self.target()?.local("target").map_err(TaskError::fail)?;
        // As with `cp`: into a folder that is there it goes under its own name.
        let to = if to.is_dir() { to.join(from.key.rsplit('/').next().unwrap_or_default()) } else { to };
        if !self.args.replace && to.exists() {
            return Err(TaskError::fail(anyhow!("`{}` exists already, and `replace` is false", to.display())));
        }
        if self.objects.unless_stopped(self.objects.size(&from)).await?.is_none() {
            return Err(TaskError::fail(anyhow!("{from} is not there")));
        }
        let bytes = self.objects.unless_stopped(self.objects.fetch(&from, &to)).await?;
        self.say(format!("Fetched {from}, {bytes} bytes"));
        Ok(json!({ "file": to.display().to_string(), "bytes": bytes }))
    }

    async fn put(&self) -> Result<Value, TaskError> {
        let to = self.target()?.object("target").map_err(TaskError::fail)?;
        let mut upload = self.objects.upload(&to, self.args.content_type.as_deref()).map_err(TaskError::fail)?;
        upload.may_replace = self.args.replace;
        if !self.args.replace {
            // Not every server minds the condition of the request itself.
            self.refuse_existing(&to).await?;
        }
        let bytes = match &self.args.data {
            Some(text) => self.objects.unless_stopped(self.objects.put_text(upload, text.clone(), &to)).await?,
            None => {
                let from = self.source()?.local("source").map_err(TaskError::fail)?;
                if !from.is_file() {
                    let problem = anyhow!("`{}` is no file; `sync` sends a folder", from.display());
                    return Err(TaskError::fail(problem));
                }
                let sent = upload.file(&from, &self.objects.ctx.cancelled).await;
                sent.map_err(|error| self.objects.stopped_or(error.context(format!("{to} cannot be written"))))?
            }
        };
        self.say(format!("Put {to}, {bytes} bytes"));
        Ok(json!({ "object": to.to_string(), "bytes": bytes }))
    }

    async fn copy(&self, moves: bool) -> Result<Value, TaskError> {
        let from = self.source()?.object("source").map_err(TaskError::fail)?;
        let to = self.target()?.object("target").map_err(TaskError::fail)?;
        if !self.args.replace {
            self.refuse_existing(&to).await?;
        }
        let bytes = self.objects.copy(&from, &to, &self.buckets).await?;
        if moves {
            self.objects.unless_stopped(self.objects.delete(&from)).await?;
        }
        self.say(format!("{} {from} to {to}, {bytes} bytes", if moves { "Moved" } else { "Copied" }));
        Ok(json!({ "object": to.to_string(), "bytes": bytes }))
    }

    async fn delete(&self) -> Result<Value, TaskError> {
        if let Some(prefix) = &self.args.prefix {
            let bucket = self.bucket()?;
            if prefix.trim_matches('/').is_empty() {
                return Err(TaskError::fail(anyhow!("{EVERYTHING}; {EVERYTHING_CURE}")));
            }
            let deleted = self.delete_below(bucket, prefix).await?;
            self.say(format!("Deleted {deleted} objects below s3://{bucket}/{prefix}"));
            return Ok(json!({ "deleted": deleted }));
        }
        let keys = self.args.keys.as_ref().map(OneOrMany::names).unwrap_or_default();
        let places: Result<Vec<ObjectPlace>, _> = keys
            .iter()
            .map(|key| ObjectPlace::parse(key, self.args.bucket.as_deref().filter(|_| !key.contains("://"))))
            .collect();
        let places = places.map_err(TaskError::fail)?;
        let count = places.len();
        let deletes = stream::iter(places).map(|place| async move { self.objects.delete(&place).await });
        let work = deletes.buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(()));
        self.objects.unless_stopped(work).await?;
        self.say(format!("Deleted {count} objects"));
        Ok(json!({ "deleted": count }))
    }

    /// Deletes all whose keys begin so, and says how many there were.
    async fn delete_below(&self, bucket: &str, prefix: &str) -> Result<u64, TaskError> {
        let store = self.objects.store(bucket)?;
        let deleted = AtomicU64::new(0);
        let mut marks = Vec::new();
        let work = async {
            let mut found = objects_below(self.objects.store(bucket)?, prefix.to_owned()).try_chunks(1000);
            while let Some(chunk) = found.try_next().await.map_err(|error| error.1)? {
                // The object store has forgotten whether a key ended with a slash.
                marks.extend(chunk.iter().filter(|object| object.size == 0).map(|object| object.location.to_string()));
                deleted.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                let paths = stream::iter(chunk.into_iter().map(|object| Ok(object.location))).boxed();
                let gone = store.delete_stream(paths).try_for_each(async |_| Ok(())).await;
                gone.map_err(|error| refusal(&error))
                    .with_context(|| format!("s3://{bucket}/{prefix} cannot be deleted"))?;
            }
            anyhow::Ok(())
        };
        self.objects.unless_stopped(work).await?;
        let marks = stream::iter(marks).map(|key| async move { self.buckets.delete_mark(bucket, &key).await });
        marks.buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await?;
        Ok(deleted.into_inner())
    }

    async fn sync(&self) -> Result<Value, TaskError> {
        sync(&self.objects, &self.buckets, &self.source()?, &self.target()?, self.args.delete_extra).await
    }

    async fn presign(&self) -> Result<Value, TaskError> {
        let object = self.source()?.object("source").map_err(TaskError::fail)?;
        let path = object.path().map_err(TaskError::fail)?;
        let expires_in = self.args.expires_in().map_err(|problem| TaskError::fail(anyhow!(problem)))?;
        let method = match self.args.method {
            SignedMethod::Get => reqwest::Method::GET,
            SignedMethod::Put => reqwest::Method::PUT,
        };
        let store = self.objects.store(&object.bucket)?;
        let signed =
            async { store.signed_url(method.clone(), &path, expires_in).await.map_err(|error| refusal(&error)) };
        let url = self.objects.unless_stopped(signed).await?;
        let shown = crate::span::spoken(expires_in);
        self.say(format!("Signed an address for {method} of {object}, good for {shown}"));
        Ok(url.as_str().into())
    }

    async fn create_bucket(&self) -> Result<Value, TaskError> {
        let bucket = self.bucket()?;
        let is_new = self.buckets.create(bucket, self.args.region.as_deref()).await?;
        self.say(format!("{} {bucket}", if is_new { "Made" } else { "Already there:" }));
        Ok(json!({ "bucket": bucket, "created": is_new }))
    }

    async fn delete_bucket(&self) -> Result<Value, TaskError> {
        let bucket = self.bucket()?;
        let is_emptied = self.args.force && self.buckets.is_there(bucket).await?;
        let deleted = if is_emptied { self.delete_below(bucket, "").await? } else { 0 };
        let was_there = self.buckets.delete(bucket).await?;
        self.say(format!("{} {bucket}", if was_there { "Deleted" } else { "Not there:" }));
        Ok(json!({ "bucket": bucket, "deleted": was_there, "objects": deleted }))
    }
}

fn within(error: TaskError, place: String) -> TaskError {
    TaskError { error: error.error.context(place), ..error }
}
