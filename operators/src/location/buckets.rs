//! Reaches buckets, and other services of AWS, with one set of credentials.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};

use super::refusals;
use crate::aws::{Asker, Identity, NoCredentials, Own, Role, SharedFiles, Variables, identity_of};

/// The region that AWS itself assumes, and that most servers that imitate it accept.
const DEFAULT_REGION: &str = "us-east-1";

/// An S3 request is given up after this long, repeated tries included: the task's own `retries` come after that.
const S3_RETRY_TIME_MAX: Duration = Duration::from_secs(30);

/// Reaches buckets with one set of credentials: what the AWS tools would take from the `AWS_*` variables and their shared
/// files. Cheap to clone; the files are read when a bucket is first wanted.
///
/// `AWS_ENDPOINT_URL` leads to another server than Amazon's; plain HTTP is spoken only if it says so, and buckets are
/// then part of the path. The region is `us-east-1` unless `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile says otherwise.
#[derive(Clone)]
pub struct S3 {
    variables: Arc<Variables>,
    role: Option<Arc<Role>>,
    patience: Duration,
    settings: Arc<OnceLock<AmazonS3Builder>>,
    buckets: Arc<Mutex<HashMap<String, Arc<AmazonS3>>>>,
}

impl S3 {
    /// What the environment of this process says.
    pub fn from_env() -> S3 {
        S3::from_variables(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// A server of one's own, with these keys.
    pub fn with_endpoint(endpoint: &str, access_key_id: &str, secret_access_key: &str) -> S3 {
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", access_key_id),
            ("AWS_SECRET_ACCESS_KEY", secret_access_key),
        ];
        S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// What these variables say; those that do not concern AWS are passed over. `HOME` is where the shared files are.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> S3 {
        let concerns = |name: &str| name.starts_with("AWS_") || name == "HOME";
        // An empty variable is as good as none, as for the AWS tools.
        let variables = variables.into_iter().filter(|(name, value)| concerns(name) && !value.is_empty()).collect();
        S3::new(Arc::new(variables), None, S3_RETRY_TIME_MAX)
    }

    fn new(variables: Arc<Variables>, role: Option<Arc<Role>>, patience: Duration) -> S3 {
        S3 { variables, role, patience, settings: Arc::default(), buckets: Arc::default() }
    }

    /// The same, giving up a request earlier or later: `after` so long, repeated tries included.
    #[must_use]
    pub fn giving_up(self, after: Duration) -> S3 {
        S3::new(self.variables, self.role, after)
    }

    /// The same, in a role.
    pub(crate) fn assuming(self, role: Option<Role>) -> S3 {
        S3::new(self.variables, role.map(Arc::new), self.patience)
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The store of a bucket; the connections to it are shared.
    pub fn bucket(&self, bucket: &str) -> object_store::Result<Arc<AmazonS3>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = buckets.get(bucket) {
            return Ok(Arc::clone(store));
        }
        let settings = self.settings();
        let connector = refusals::ToBucket { bucket: bucket.to_owned(), is_anonymous: is_anonymous(settings) };
        let store = settings.clone().with_bucket_name(bucket).with_http_connector(connector).build()?;
        let store = Arc::new(store);
        buckets.insert(bucket.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    /// The region.
    pub fn region(&self) -> String {
        let region = self.settings().get_config_value(&AmazonS3ConfigKey::Region);
        region.unwrap_or_else(|| DEFAULT_REGION.to_owned())
    }

    /// Where another service of AWS is: `AWS_ENDPOINT_URL_KINESIS`, else `AWS_ENDPOINT_URL`, else Amazon's own.
    pub fn endpoint_of(&self, service: &str) -> String {
        let said = self.said_endpoint(service);
        said.unwrap_or_else(|| format!("https://{service}.{}.amazonaws.com", self.region()))
    }

    /// The same, if somebody says it.
    pub(crate) fn said_endpoint(&self, service: &str) -> Option<String> {
        let own = self.variables.get(&format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase())).cloned();
        own.or_else(|| self.settings().get_config_value(&AmazonS3ConfigKey::Endpoint))
    }

    /// Who asks: the credentials, from wherever the AWS tools would take them, renewed when they expire.
    pub fn credentials(&self) -> object_store::Result<AwsCredentialProvider> {
        // The provider does not depend on the bucket.
        let store = self.settings().clone().with_bucket_name("any").build()?;
        Ok(Arc::clone(store.credentials()))
    }

    /// All that is known but the bucket.
    pub(super) fn settings(&self) -> &AmazonS3Builder {
        self.settings.get_or_init(|| {
            let shared = SharedFiles::read(&self.variables);
            let settings = self.placed(shared.as_ref().ok());
            match self.identity(&settings, &shared) {
                Some(identity) => settings.with_credentials(identity),
                None => settings,
            }
        })
    }

    /// What the variables say, and where the profile leads.
    fn placed(&self, shared: Option<&SharedFiles>) -> AmazonS3Builder {
        let retry = RetryConfig { retry_timeout: self.patience, ..RetryConfig::default() };
        let mut settings = AmazonS3Builder::new().with_retry(retry);
        for (name, value) in self.variables.iter() {
            if let Ok(setting) = name.to_ascii_lowercase().parse() {
                settings = settings.with_config(setting, value);
            }
        }
        let of_profile = |key: &str| shared.and_then(|shared| shared.setting(key)).map(str::to_owned);
        if settings.get_config_value(&AmazonS3ConfigKey::Region).is_none() {
            let region = settings.get_config_value(&AmazonS3ConfigKey::DefaultRegion);
            let region = region.or_else(|| of_profile("region"));
            settings = settings.with_region(region.unwrap_or_else(|| DEFAULT_REGION.to_owned()));
        }
        if settings.get_config_value(&AmazonS3ConfigKey::Endpoint).is_none()
            && let Some(endpoint) = of_profile("endpoint_url")
        {
            settings = settings.with_config(AmazonS3ConfigKey::Endpoint, endpoint);
        }
        let endpoint = settings
            .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
            .or_else(|| settings.get_config_value(&AmazonS3ConfigKey::Endpoint));
        if let Some(endpoint) = endpoint {
            let plain = endpoint.to_ascii_lowercase().starts_with("http://");
            settings = settings.with_allow_http(plain).with_virtual_hosted_style_request(false);
        }
        settings
    }

    /// Who asks, unless the object store finds that out by itself.
    fn identity(
        &self,
        settings: &AmazonS3Builder,
        shared: &Result<SharedFiles, NoCredentials>,
    ) -> Option<Arc<Identity>> {
        let has_keys = [AmazonS3ConfigKey::AccessKeyId, AmazonS3ConfigKey::SecretAccessKey]
            .iter()
            .any(|key| settings.get_config_value(key).is_some());
        if let (Err(error), true) = (shared, has_keys) {
            tracing::warn!(%error, "what the AWS tools share is passed over");
        }
        if is_anonymous(settings) || (has_keys && self.role.is_none()) {
            return None;
        }
        // What cannot be built is told by whoever asks for a bucket.
        let found = settings.clone().with_bucket_name("any").build().ok()?;
        let found = Arc::clone(found.credentials());
        let own = if has_keys {
            Own::Found(found)
        } else {
            // Also when there is no profile yet: what is written into the files later counts.
            Own::Profile { variables: Arc::clone(&self.variables), otherwise: found }
        };
        let asker = Asker {
            variables: Arc::clone(&self.variables),
            role: self.role.clone(),
            region: settings.get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_default(),
            patience: self.patience,
        };
        Some(identity_of(asker, own))
    }
}

/// Whether requests are not signed. The words are those that the store takes for "yes".
fn is_anonymous(settings: &AmazonS3Builder) -> bool {
    let skips = settings.get_config_value(&AmazonS3ConfigKey::SkipSignature).unwrap_or_default();
    matches!(skips.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y")
}

/// Without the secrets.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("endpoint", &self.variables.get("AWS_ENDPOINT_URL"))
            .field("region", &self.variables.get("AWS_REGION"))
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
