//! The `git` program, with nothing of the world around it: neither our environment nor anybody's configuration, and it asks
//! nobody for a password. What it needs to get in is that of a connection.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use scheduler::connection::{Connection, Secret};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::complaint;
use crate::process::{self, OutputError};
use crate::spawn::{Command, ProcessError};

/// `git` is given up after this long.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// A list of files is no longer, and neither is a file.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// So many letters of a key are on a line.
const KEY_LINE_LETTERS: usize = 64;

/// What of our environment `git` needs to reach anything.
const KEPT: [&str; 12] = [
    "PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// What `git` calls of it otherwise.
const RENAMED: [(&str, &str); 2] = [("SSL_CERT_FILE", "GIT_SSL_CAINFO"), ("SSL_CERT_DIR", "GIT_SSL_CAPATH")];

/// `git` in a folder of ours, for one repository.
pub(super) struct Program<'a> {
    pub(super) folder: &'a Path,
    pub(super) url: &'a Url,
}

/// A call of `git`, with the files that it reads to get in. They go away with it.
pub(super) struct Call {
    command: Command,
    credentials: Option<TempDir>,
    /// The connection in whose name it asks.
    conn_id: Option<String>,
}

impl Program<'_> {
    /// A call that asks nobody.
    pub(super) fn call(&self, args: &[&str]) -> Call {
        let mut command = Command::new("git");
        command.env_retain(|name| KEPT.iter().any(|kept| name == *kept));
        for (theirs, ours) in RENAMED {
            command.env_rename(theirs, ours);
        }
        command.current_dir(self.folder);
        let settings = [
            ("HOME", self.folder.as_os_str()),
            ("GIT_DIR", self.folder.as_os_str()),
            ("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
            ("GIT_TERMINAL_PROMPT", "0".as_ref()),
            ("GIT_ASKPASS", "false".as_ref()),
            ("GIT_ALLOW_PROTOCOL", self.url.scheme().as_ref()),
            ("GIT_NO_REPLACE_OBJECTS", "1".as_ref()),
            ("GIT_SSH_COMMAND", "ssh -o BatchMode=yes".as_ref()),
            ("LC_ALL", "C".as_ref()),
        ];
        for (name, value) in settings {
            command.env(name, value);
        }
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "gc.autoDetach=false", "-c", "fetch.fsckObjects=true"]);
        // A server that has gone away is given up before our own patience ends.
        command.args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"]);
        command.args(args);
        Call { command, credentials: None, conn_id: None }
    }

    /// A call that shows what the connection says. A password goes through the environment: everybody can read arguments.
    pub(super) fn call_as(&self, args: &[&str], connection: &Connection) -> anyhow::Result<Call> {
        let mut call = self.call(args);
        call.conn_id = Some(connection.conn_id.clone());
        if self.url.scheme() == "ssh" {
            call.sign_in_by_ssh(connection)?;
        } else if let Some(password) = &connection.password {
            // What Git servers take as the name of whoever comes with a token.
            let login = connection.login.as_deref().filter(|login| !login.is_empty()).unwrap_or("x-access-token");
            let credentials = BASE64.encode(format!("{login}:{}", Secret::reveal(password)));
            let origin = self.url.origin().ascii_serialization();
            call.command.env("GIT_CONFIG_COUNT", "1");
            call.command.env("GIT_CONFIG_KEY_0", format!("http.{origin}/.extraHeader"));
            call.command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {credentials}"));
        }
        Ok(call)
    }
}

impl Call {
    /// With the key of the connection, and the keys by which its host is known.
    fn sign_in_by_ssh(&mut self, connection: &Connection) -> anyhow::Result<()> {
        let extra = |name: &str| connection.extra.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let mut options = vec!["-o BatchMode=yes".to_owned()];
        let key = match (extra("private_key"), extra("key_file")) {
            (Some(key), _) => Some(self.keep("key", &pem(key)?)?),
            (None, Some(file)) => Some(PathBuf::from(file)),
            (None, None) => None,
        };
        if let Some(key) = key {
            options.push(format!("-o IdentitiesOnly=yes -i {}", quoted(&key, connection)?));
        }
        let known = match (extra("known_hosts"), extra("known_hosts_file")) {
            (Some(lines), _) => Some(self.keep("known_hosts", &format!("{}\n", lines.trim().replace("\\n", "\n")))?),
            (None, Some(file)) => Some(PathBuf::from(file)),
            (None, None) => None,
        };
        if let Some(known) = &known {
            let known = quoted(known, connection)?;
            options.push(format!("-o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile={known}"));
        }
        match extra("strict_host_key_checking") {
            Some(word @ ("yes" | "no" | "accept-new")) => options.push(format!("-o StrictHostKeyChecking={word}")),
            Some(_) => {
                bail!("`strict_host_key_checking` of the connection `{}` is yes, no or accept-new", connection.conn_id)
            }
            None if known.is_some() => options.push("-o StrictHostKeyChecking=yes".to_owned()),
            None => {}
        }
        self.command.env("GIT_SSH_COMMAND", format!("ssh {}", options.join(" ")));
        Ok(())
    }

    /// Writes a file that nobody else may read.
    fn keep(&mut self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let mut write = || -> io::Result<(TempDir, PathBuf)> {
            let folder = match self.credentials.take() {
                Some(folder) => folder,
                None => tempfile::Builder::new().prefix("updraft-git-").tempdir()?,
            };
            let path = folder.path().join(name);
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(text.as_bytes())?;
            Ok((folder, path))
        };
        let (folder, path) = write().context("cannot write down the key for `git`")?;
        self.credentials = Some(folder);
        Ok(path)
    }

    /// Runs `git` to its end; answers with what it printed.
    pub(super) async fn run(self) -> anyhow::Result<Vec<u8>> {
        let Call { command, credentials: _kept, conn_id } = self;
        process::output_of(&command, PATIENCE, ANSWER_BYTES_MAX).await.map_err(|error| match error {
            OutputError::Start(ProcessError::Program { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                anyhow!(
                    "`git` is not installed where Updraft runs; install it, or keep the DAG files in a folder or in S3"
                )
            }
            OutputError::Failed { complaint, .. } => anyhow!(complaint::told(&complaint, conn_id.as_deref())),
            OutputError::TooSlow(patience) => anyhow!("`git` did not end within {} seconds", patience.as_secs()),
            OutputError::TooMuch(bytes_max) => anyhow!("`git` answers with more than {} MiB", bytes_max >> 20),
            other => other.into(),
        })
    }
}

/// A path as the shell reads it that `git` has run ssh.
fn quoted(path: &Path, connection: &Connection) -> anyhow::Result<String> {
    let text = path.to_string_lossy();
    ensure!(!text.contains(['\'', '\n']), "a file of the connection `{}` cannot be named so", connection.conn_id);
    Ok(format!("'{text}'"))
}

/// A key as ssh reads it, whatever became of its line breaks in a form or in an environment variable.
fn pem(text: &str) -> anyhow::Result<String> {
    const FENCE: &str = "-----";
    let text = text.replace("\\n", "\n");
    let mut parts = text.split(FENCE).map(str::trim);
    let (Some(""), Some(begin), Some(body), Some(end), Some("")) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        bail!("the `private_key` is none: it begins with a line `-----BEGIN … PRIVATE KEY-----`");
    };
    if body.contains(':') {
        // An old form whose headers have lines of their own.
        return Ok(format!("{FENCE}{begin}{FENCE}\n{body}\n{FENCE}{end}{FENCE}\n"));
    }
    let letters: Vec<char> = body.chars().filter(|sign| !sign.is_whitespace()).collect();
    let lines: Vec<String> = letters.chunks(KEY_LINE_LETTERS).map(|line| line.iter().collect()).collect();
    Ok(format!("{FENCE}{begin}{FENCE}\n{}\n{FENCE}{end}{FENCE}\n", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_lines_whatever_a_form_made_of_them() {
        let body = format!("{}\n{}", "A".repeat(64), "B".repeat(10));
        let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n");
        for text in [key.clone(), key.replace('\n', " "), key.replace('\n', ""), key.replace('\n', "\\n")] {
            assert_eq!(pem(&text).unwrap(), key, "{text}");
        }
        assert!(pem("ssh-ed25519 AAAA me@here").is_err());
    }
}
