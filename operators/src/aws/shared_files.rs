//! What the AWS tools share: `~/.aws/config` and `~/.aws/credentials`, and the profiles in them.

use std::collections::HashMap;
use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_sdk_sts::config::Region;
use aws_types::os_shim_internal::{Env, Fs};
use futures::FutureExt as _;

use super::NoCredentials;
use super::transport::Transport;

/// What the environment says: variables whose names begin with `AWS_`, and `HOME`. None is empty.
pub(crate) type Variables = HashMap<String, String>;

/// Each file: its kind, the variable that says where it is, and where it is otherwise.
const FILES: [(EnvConfigFileKind, &str, &str); 2] = [
    (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", "~/.aws/config"),
    (EnvConfigFileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
];

/// The profile that counts when none is named.
const DEFAULT_PROFILE: &str = "default";

/// The shared files as they are now.
#[derive(Debug)]
pub(crate) struct SharedFiles {
    files: EnvConfigFiles,
    sections: EnvConfigSections,
    /// The profile that counts.
    profile: String,
    /// Whether somebody named it.
    is_named: bool,
    /// Where they are, for people.
    paths: String,
}

impl SharedFiles {
    /// Reads them where the variables say that they are. A file that is not there is as good as an empty one, and so is one that
    /// nobody named and this user may not read: a machine's own role must not be lost by it.
    pub(crate) fn read(variables: &Variables) -> Result<SharedFiles, NoCredentials> {
        let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().find_map(|name| variables.get(name));
        let (mut files, mut paths) = (EnvConfigFiles::builder(), Vec::new());
        for (kind, variable, default) in FILES {
            let written = variables.get(variable).map_or(default, String::as_str);
            let mut text = String::new();
            if let Some(path) = below_home(written, variables) {
                text = match text_of(&path) {
                    Err(error) if named.is_none() && !variables.contains_key(variable) => {
                        tracing::warn!(%error, "what the AWS tools share is passed over");
                        String::new()
                    }
                    text => text?,
                };
                paths.push(path.display().to_string());
            }
            files = files.with_contents(kind, text);
        }
        let paths = if paths.is_empty() { "~/.aws, and `HOME` is not set".to_owned() } else { paths.join(" and ") };
        let files = files.build();
        let malformed = |error: &(dyn Error + 'static)| {
            let said = super::said(error).split_whitespace().collect::<Vec<_>>().join(" ");
            NoCredentials::Malformed(paths.clone(), said)
        };
        // All there is to read was read above, so there is nothing to wait for.
        let source = source::load(&Env::from_slice(&[]), &Fs::from_slice(&[]), &files).now_or_never();
        let Some(source) = source else {
            return Err(NoCredentials::Malformed(paths.clone(), "they are not read at once".to_owned()));
        };
        let sections = EnvConfigSections::parse(source.map_err(|error| malformed(&error))?);
        let sections = sections.map_err(|error| malformed(&error))?;
        let profile = named.map_or(DEFAULT_PROFILE, String::as_str).to_owned();
        Ok(SharedFiles { files, sections, profile, is_named: named.is_some(), paths })
    }

    /// Whether it is worth asking them for credentials.
    fn may_know(&self) -> bool {
        self.is_named || !self.sections.is_empty()
    }

    /// A setting of the profile.
    pub(crate) fn setting(&self, key: &str) -> Option<&str> {
        self.sections.get_profile(&self.profile)?.get(key).filter(|value| !value.is_empty())
    }

    /// The credentials that the profile leads to; none when it leads to none. AWS itself is asked in `region`.
    pub(crate) async fn credentials(&self, region: &str) -> Result<Option<Credentials>, NoCredentials> {
        if self.is_named && self.sections.get_profile(&self.profile).is_none() {
            return Err(NoCredentials::NoProfile(self.profile.clone(), self.paths.clone()));
        }
        if !self.may_know() {
            return Ok(None);
        }
        let region = Region::new(region.to_owned());
        let surroundings = ProviderConfig::without_region().with_region(Some(region)).with_http_client(Transport);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&surroundings)
            .profile_files(self.files.clone())
            .profile_name(&self.profile)
            .build();
        match provider.provide_credentials().await {
            Ok(credentials) => Ok(Some(credentials)),
            // What was written and cannot be followed has a reason.
            Err(error @ CredentialsError::CredentialsNotLoaded(_)) if error.source().is_none() => Ok(None),
            Err(error) => Err(NoCredentials::Profile(self.profile.clone(), super::said(&error))),
        }
    }
}

/// The path, with `~` resolved; none when nobody says where home is.
fn below_home(path: &str, variables: &Variables) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(below) => Some(Path::new(variables.get("HOME")?).join(below)),
        None => Some(PathBuf::from(path)),
    }
}

fn text_of(path: &Path) -> Result<String, NoCredentials> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(String::new()),
        Err(error) => Err(NoCredentials::Unreadable(path.to_owned(), error)),
    }
}
