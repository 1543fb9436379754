//! Where secrets are kept outside of the database: `UPDRAFT_SECRETS_BACKENDS`, else `secrets_backends` in `updraft.toml`.
//!
//! ```text
//!   environment
//!   folder:/run/secrets
//!   vault:https://vault.example:8200/secret?auth=approle&connections=airflow/connections
//!   aws:airflow
//! ```

use std::path::PathBuf;

use anyhow::Context;
use operators::location::S3;
use operators::secrets::{AwsSecrets, Vault, VaultAuth, VaultSettings};
use scheduler::connection::Secret;
use scheduler::secrets::{Backend, Cached, EnvironmentSecrets, FolderSecrets};

use crate::report::BadInput;

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What secrets in AWS begin with (Airflow 3: `airflow/connections`).
const AWS_PREFIX: &str = "airflow";

const HINT: &str = "name `environment`, `folder:/path`, `vault:https://host:8200/mount`, `aws` or `aws:prefix`, in the order in \
                    which they are asked, with commas between them";

/// A backend, as somebody wrote it down.
#[derive(Clone, Debug)]
pub enum BackendSpec {
    /// The environment of this process.
    Environment,
    /// A folder of files.
    Folder(PathBuf),
    /// A server of Vault.
    Vault(Box<VaultSettings>),
    /// AWS Secrets Manager, below a prefix.
    Aws(String),
}

/// The backends in order; the environment alone when nobody said.
pub(super) fn resolve(
    file: Option<Vec<String>>,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Vec<BackendSpec>> {
    let from_variable = variable("UPDRAFT_SECRETS_BACKENDS").map(|text| text.split(',').map(str::to_owned).collect());
    let written: Vec<String> = from_variable.or(file).unwrap_or_else(|| vec!["environment".to_owned()]);
    written.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(|text| read(text, &variable)).collect()
}

fn read(text: &str, variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<BackendSpec> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match (kind, rest) {
        ("environment", "") => Ok(BackendSpec::Environment),
        ("folder", path) if path.starts_with('/') => Ok(BackendSpec::Folder(PathBuf::from(path))),
        ("folder", _) => Err(BadInput::new(format!("the secrets backend `{text}` names no folder"))
            .hint("write folder:/path")
            .into()),
        ("vault", url) => read_vault(url, variable).map(|settings| BackendSpec::Vault(Box::new(settings))),
        ("aws", "") => Ok(BackendSpec::Aws(AWS_PREFIX.to_owned())),
        ("aws", prefix) => Ok(BackendSpec::Aws(prefix.to_owned())),
        _ => Err(BadInput::new(format!("there is no secrets backend `{kind}`")).hint(HINT).into()),
    }
}

/// `https://host:8200/mount?key=value`.
fn read_vault(text: &str, variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<VaultSettings> {
    let wrong = |problem: String| {
        BadInput::new(format!("the secrets backend `vault`: {problem}")).hint(
            "write vault:https://host:8200/mount, perhaps with ?version=1, auth=token|approle|kubernetes, auth_mount=…, \
             role=…, namespace=…, connections=… and variables=… behind it, and & between them",
        )
    };
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let Some((scheme, rest)) = address.split_once("://") else {
        return Err(wrong("it has no address".to_owned()).into());
    };
    let (host, mount) = rest.split_once('/').unwrap_or((rest, ""));
    let mount = mount.trim_matches('/');
    let mut settings = VaultSettings {
        url: format!("{scheme}://{host}"),
        mount: if mount.is_empty() { "secret".to_owned() } else { mount.to_owned() },
        version: 2,
        connections: "connections".to_owned(),
        variables: "variables".to_owned(),
        namespace: secret_of("NAMESPACE", variable),
        auth: VaultAuth::Token(Secret::new("")),
    };
    let (mut auth, mut auth_mount, mut role) = ("token".to_owned(), None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.to_owned();
        match key {
            "version" => settings.version = value.parse().map_err(|_| wrong(format!("`{value}` is no version")))?,
            "connections" => settings.connections = value,
            "variables" => settings.variables = value,
            "namespace" => settings.namespace = Some(value),
            "auth" => auth = value,
            "auth_mount" => auth_mount = Some(value),
            "role" => role = Some(value),
            other => return Err(wrong(format!("it knows nothing of `{other}`")).into()),
        }
    }
    let needs = |name: &str| {
        let problem = format!("with auth={auth} it needs UPDRAFT_VAULT_{name} or VAULT_{name}, which is not set");
        secret_of(name, variable).ok_or_else(|| wrong(problem))
    };
    settings.auth = match auth.as_str() {
        "token" => VaultAuth::Token(Secret::new(needs("TOKEN")?)),
        "approle" => VaultAuth::AppRole {
            mount: auth_mount.unwrap_or_else(|| "approle".to_owned()),
            role_id: needs("ROLE_ID")?,
            secret_id: Secret::new(needs("SECRET_ID")?),
        },
        "kubernetes" => VaultAuth::Kubernetes {
            mount: auth_mount.unwrap_or_else(|| "kubernetes".to_owned()),
            role: role.ok_or_else(|| wrong("with auth=kubernetes it needs a `role`".to_owned()))?,
            token_file: PathBuf::from(SERVICE_ACCOUNT_TOKEN),
        },
        other => return Err(wrong(format!("there is no way `{other}` to say who we are")).into()),
    };
    Ok(settings)
}

/// A setting of Vault; ours, which tasks do not see, goes before everybody's.
fn secret_of(name: &str, variable: &impl Fn(&str) -> Option<String>) -> Option<String> {
    variable(&format!("UPDRAFT_VAULT_{name}")).or_else(|| variable(&format!("VAULT_{name}")))
}

/// What is to be asked, in order. Nothing is asked yet.
pub fn open(specs: &[BackendSpec]) -> anyhow::Result<Vec<Backend>> {
    specs.iter().map(open_one).collect()
}

fn open_one(spec: &BackendSpec) -> anyhow::Result<Backend> {
    Ok(match spec {
        BackendSpec::Environment => {
            let readable = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            Backend::new("environment", EnvironmentSecrets::new(readable))
        }
        BackendSpec::Folder(path) => Backend::new(format!("folder {}", path.display()), FolderSecrets::new(path)),
        BackendSpec::Vault(settings) => {
            let vault = Vault::open((**settings).clone()).context("cannot set up the secrets backend `vault`")?;
            Backend::new(format!("vault {}", settings.url), Cached::new(vault))
        }
        BackendSpec::Aws(prefix) => {
            let aws = AwsSecrets::open(&S3::from_env(), prefix).context("cannot set up the secrets backend `aws`")?;
            Backend::new(format!("aws {prefix}"), Cached::new(aws))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, variables: &[(&str, &str)]) -> anyhow::Result<Vec<BackendSpec>> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        resolve(Some(text.split(',').map(str::to_owned).collect()), find)
    }

    #[test]
    fn backends_are_asked_in_the_order_in_which_they_are_written() {
        let text = "environment, folder:/run/secrets,vault:https://v:8200/kv/data?auth=approle&version=1,aws,aws:mine";
        let variables = [("UPDRAFT_VAULT_ROLE_ID", "r"), ("VAULT_ROLE_ID", "other"), ("VAULT_SECRET_ID", "s")];
        let specs = resolved(text, &variables).unwrap();
        let names: Vec<String> = open(&specs).unwrap().into_iter().map(|backend| backend.name).collect();
        assert_eq!(names, ["environment", "folder /run/secrets", "vault https://v:8200", "aws airflow", "aws mine"]);
        let BackendSpec::Vault(vault) = &specs[2] else { panic!() };
        assert_eq!((vault.mount.as_str(), vault.version, vault.connections.as_str()), ("kv/data", 1, "connections"));
        assert!(matches!(&vault.auth, VaultAuth::AppRole { role_id, .. } if role_id == "r"));
        let from_variable = resolved("aws", &[("UPDRAFT_SECRETS_BACKENDS", "environment")]).unwrap();
        assert!(matches!(from_variable.as_slice(), [BackendSpec::Environment]));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("vualt:https://x", "no secrets backend `vualt`"),
            ("environment:x", "no secrets backend"),
            ("folder:secrets", "names no folder"),
            ("vault", "no address"),
            ("vault:https://x", "UPDRAFT_VAULT_TOKEN"),
            ("vault:https://x?auth=kubernetes", "needs a `role`"),
            ("vault:https://x?auth=magic", "no way `magic`"),
            ("vault:https://x?version=two", "no version"),
            ("vault:https://x?colour=red", "nothing of `colour`"),
        ];
        for (text, words) in cases {
            let problem = resolved(text, &[]).unwrap_err().to_string();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
