//! DAG files in a git repository, read with the `git` program.
//!
//! Nothing is checked out: the newest commit of the ref is fetched into a bare repository, its files are listed, and those
//! that changed are read one by one. So no hook, filter, link or submodule of the repository is ever followed. `git` knows
//! neither our environment nor anybody's configuration, and asks nobody for a password.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use scheduler::connection::{Connection, Secret};
use scheduler::secrets::Secrets;
use scheduler::sources::remote::{Listing, Origin, RemoteFile};
use tokio::io::{AsyncRead, AsyncReadExt};
use url::Url;

use crate::spawn::{Command, ProcessError, Started};

/// `git` is given up after this long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A list of files is no longer, and neither is a file.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What `git` says of a failure is no longer.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;

/// What the newest commit is called in our copy.
const HEAD: &str = "refs/updraft/head";

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

/// A folder of a repository, at a branch, a tag or a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    url: Url,
    /// The default branch when absent.
    reference: Option<String>,
    /// Without slashes around it; empty for the whole repository.
    subfolder: String,
    conn_id: Option<String>,
}

impl Repository {
    /// Reads `https://host/repository.git?conn_id=ID#ref:subfolder`.
    pub(super) fn parse(text: &str) -> Result<Repository, String> {
        let mut url = Url::parse(text).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "https" | "http" | "ssh" | "file") {
            return Err("it is reached by https, http, ssh or file".to_owned());
        }
        if url.password().is_some() || (url.scheme() != "ssh" && !url.username().is_empty()) {
            return Err("it holds credentials; put them into a connection, and add `?conn_id=` with its id".to_owned());
        }
        let mut conn_id = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "conn_id" => conn_id = Some(value.into_owned()),
                _ => {
                    return Err("behind `?` stands `conn_id=` with the id of a connection, and nothing else".to_owned());
                }
            }
        }
        let fragment = url.fragment().unwrap_or_default().to_owned();
        let (reference, subfolder) = fragment.split_once(':').unwrap_or((&fragment, ""));
        let is_name = |sign: char| sign.is_alphanumeric() || matches!(sign, '/' | '.' | '_' | '-' | '+' | '@');
        if reference.starts_with('-') || !reference.chars().all(is_name) {
            return Err("behind `#` stands a ref: a branch, a tag or a commit".to_owned());
        }
        let subfolder = subfolder.trim_matches('/');
        if subfolder.split('/').any(|part| part == "..") || subfolder.contains(':') {
            return Err("behind `#ref:` stands a subfolder of the repository".to_owned());
        }
        let reference = (!reference.is_empty()).then(|| reference.to_owned());
        let subfolder = subfolder.to_owned();
        url.set_query(None);
        url.set_fragment(None);
        Ok(Repository { url, reference, subfolder, conn_id })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "git+{}", self.url)?;
        if let Some(conn_id) = &self.conn_id {
            write!(f, "?conn_id={conn_id}")?;
        }
        match (self.reference.as_deref(), self.subfolder.as_str()) {
            (None, "") => Ok(()),
            (reference, "") => write!(f, "#{}", reference.unwrap_or_default()),
            (reference, subfolder) => write!(f, "#{}:{subfolder}", reference.unwrap_or_default()),
        }
    }
}

/// A copy of a repository's newest commit.
pub(super) struct Clone {
    repository: Repository,
    secrets: Secrets,
    folder: PathBuf,
}

impl Clone {
    pub(super) fn new(repository: Repository, secrets: Secrets, folder: PathBuf) -> Clone {
        Clone { repository, secrets, folder }
    }

    async fn fetch(&self) -> anyhow::Result<()> {
        if !self.folder.join("HEAD").is_file() {
            std::fs::create_dir_all(&self.folder)
                .with_context(|| format!("cannot make the folder `{}`", self.folder.display()))?;
            let folder = self.folder.display().to_string();
            run(self.command(&["init", "--quiet", "--bare", "--template=", &folder])).await?;
        }
        let reference = self.repository.reference.as_deref().unwrap_or("HEAD");
        let mut command = self.command(&[
            "fetch",
            "--quiet",
            "--depth=1",
            "--force",
            "--no-tags",
            "--no-recurse-submodules",
            self.repository.url.as_str(),
            &format!("+{reference}:{HEAD}"),
        ]);
        self.sign_in(&mut command).await?;
        run(command).await.map(drop)
    }

    /// `git` in our copy, with nothing of the world around it.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_retain(|name| KEPT.iter().any(|kept| name == *kept));
        command.current_dir(&self.folder);
        let settings = [
            ("HOME", self.folder.as_os_str()),
            ("GIT_DIR", self.folder.as_os_str()),
            ("GIT_CONFIG_NOSYSTEM", "1".as_ref()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".as_ref()),
            ("GIT_TERMINAL_PROMPT", "0".as_ref()),
            ("GIT_ASKPASS", "false".as_ref()),
            ("GIT_ALLOW_PROTOCOL", self.repository.url.scheme().as_ref()),
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
        command
    }

    /// With what the connection says. A password goes through the environment: everybody can read arguments.
    async fn sign_in(&self, command: &mut Command) -> anyhow::Result<()> {
        let Some(conn_id) = &self.repository.conn_id else { return Ok(()) };
        let Some((connection, _)) = self.secrets.find_connection(conn_id).await? else {
            bail!("there is no connection `{conn_id}`");
        };
        if self.repository.url.scheme() == "ssh" {
            return ssh(&connection, command);
        }
        let Some(password) = &connection.password else { return Ok(()) };
        // What Git servers take as the name of whoever comes with a token.
        let login = connection.login.as_deref().unwrap_or("x-access-token");
        let credentials = BASE64.encode(format!("{login}:{}", Secret::reveal(password)));
        let origin = self.repository.url.origin().ascii_serialization();
        command.env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", format!("http.{origin}/.extraHeader"));
        command.env("GIT_CONFIG_VALUE_0", format!("Authorization: Basic {credentials}"));
        Ok(())
    }
}

/// With the key file that the connection names.
fn ssh(connection: &Connection, command: &mut Command) -> anyhow::Result<()> {
    let key = connection.extra.get("key_file").and_then(|file| file.as_str());
    let Some(key) = key else { return Ok(()) };
    ensure!(
        !key.contains(['\'', '\n']),
        "the `key_file` of the connection `{}` cannot be named so",
        connection.conn_id
    );
    command.env("GIT_SSH_COMMAND", format!("ssh -o BatchMode=yes -o IdentitiesOnly=yes -i '{key}'"));
    Ok(())
}

#[async_trait]
impl Origin for Clone {
    async fn list(&mut self) -> anyhow::Result<Listing> {
        self.fetch().await?;
        let tree = format!("{HEAD}:{}", self.repository.subfolder);
        let listed = run(self.command(&["ls-tree", "-r", "-z", "-l", &tree])).await;
        let listed = listed.with_context(|| format!("it has no folder `{}`", self.repository.subfolder))?;
        listed
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .filter_map(|line| entry(line).transpose())
            .collect()
    }

    async fn read(&self, _: &str, file: &RemoteFile) -> anyhow::Result<Vec<u8>> {
        run(self.command(&["cat-file", "blob", &file.tag])).await
    }
}

/// A line of `git ls-tree`: `100644 blob <hash>  <size>\t<path>`. Links and submodules are no files.
fn entry(line: &[u8]) -> anyhow::Result<Option<(String, RemoteFile)>> {
    let Ok(line) = std::str::from_utf8(line) else { return Ok(None) };
    let strange = || anyhow!("`git` lists its files in an unknown way");
    let (head, path) = line.split_once('\t').ok_or_else(strange)?;
    let words: Vec<&str> = head.split_whitespace().collect();
    let [mode, "blob", tag, size] = words.as_slice() else { return Ok(None) };
    if !mode.starts_with("100") {
        return Ok(None);
    }
    let size_bytes = size.parse().map_err(|_| strange())?;
    Ok(Some((path.to_owned(), RemoteFile { tag: (*tag).to_owned(), size_bytes })))
}

/// Runs `git` to its end; answers with what it printed.
async fn run(command: Command) -> anyhow::Result<Vec<u8>> {
    let Started { mut child, stdout, stderr } = command.spawn().map_err(|error| match error {
        ProcessError::Program { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            anyhow!("`git` is not installed where Updraft runs; install it, or keep the DAG files in a folder or in S3")
        }
        other => other.into(),
    })?;
    let all = async {
        let (answer, complaint) = tokio::join!(whole(stdout, ANSWER_BYTES_MAX), whole(stderr, COMPLAINT_BYTES_MAX));
        let status = child.wait().await?;
        anyhow::Ok((answer?, complaint?, status))
    };
    let ended = tokio::time::timeout(PATIENCE, all).await;
    let (answer, complaint, status) =
        ended.map_err(|_| anyhow!("`git` did not end within {} seconds", PATIENCE.as_secs()))??;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&complaint);
        let said = complaint.lines().rev().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
        let said = said.or_else(|| complaint.lines().next()).unwrap_or("it says nothing");
        bail!("`git` failed: {}", said.trim_start_matches("fatal:").trim());
    }
    ensure!(answer.len() as u64 <= ANSWER_BYTES_MAX, "`git` answers with more than {} MiB", ANSWER_BYTES_MAX >> 20);
    Ok(answer)
}

/// What comes out, as far as it is not too long; the rest is thrown away, so that the program can end.
async fn whole(output: impl AsyncRead + Unpin, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut output = output.take(bytes_max + 1);
    output.read_to_end(&mut bytes).await?;
    let mut rest = output.into_inner();
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(bytes)
}
