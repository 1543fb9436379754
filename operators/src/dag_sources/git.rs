//! DAG files in a git repository, read with the `git` program.
//!
//! Nothing is checked out: the newest commit of the ref is fetched into a bare repository, its files are listed, and those
//! that changed are read one by one. So no hook, filter, link or submodule of the repository is ever followed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use async_trait::async_trait;
use scheduler::connection::Connection;
use scheduler::secrets::Secrets;
use scheduler::sources::remote::{Listing, Origin, RemoteFile};
use url::Url;

use super::program::{PATIENCE, Program};

/// What the newest commit is called in our copy.
const HEAD: &str = "refs/updraft/head";

/// What `git` locks while it fetches, and leaves locked when it is killed.
const LOCKS: [&str; 2] = ["shallow.lock", "refs/updraft/head.lock"];

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
    /// Still set when the next fetch begins, if one was given up before `git` had ended, which killed it.
    is_fetching: bool,
}

impl Clone {
    pub(super) fn new(repository: Repository, secrets: Secrets, folder: PathBuf) -> Clone {
        Clone { repository, secrets, folder, is_fetching: false }
    }

    fn program(&self) -> Program<'_> {
        Program { folder: &self.folder, url: &self.repository.url }
    }

    async fn fetch(&mut self) -> anyhow::Result<()> {
        if !self.folder.join("HEAD").is_file() {
            fs::create_dir_all(&self.folder)
                .with_context(|| format!("cannot make the folder `{}`", self.folder.display()))?;
            let folder = self.folder.display().to_string();
            self.program().call(&["init", "--quiet", "--bare", "--template=", &folder]).run().await?;
        }
        unlock(&self.folder, self.is_fetching);
        let reference = self.repository.reference.as_deref().unwrap_or("HEAD");
        let wanted = format!("+{reference}:{HEAD}");
        let args = [
            "fetch",
            "--quiet",
            "--depth=1",
            "--force",
            "--no-tags",
            "--no-recurse-submodules",
            self.repository.url.as_str(),
            &wanted,
        ];
        let call = match &self.repository.conn_id {
            None => self.program().call(&args),
            Some(conn_id) => match self.secrets.find_connection(conn_id).await? {
                Some((connection, _)) => self.program().call_as(&args, &connection)?,
                None => bail!(
                    "there is no connection `{conn_id}`, which the address names; add it with `updraft connections add`"
                ),
            },
        };
        self.is_fetching = true;
        let fetched = call.run().await;
        self.is_fetching = false;
        fetched.map(drop)
    }
}

/// Removes the locks of a `git` that was killed, which no other would ever take. Unless it `was_ours`, a lock must be older than
/// any `git` may become: one may be at work on this copy for another process of this home.
fn unlock(folder: &Path, was_ours: bool) {
    for lock in LOCKS.map(|name| folder.join(name)) {
        let age = fs::metadata(&lock).and_then(|lock| lock.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| was_ours || age > PATIENCE) {
            // What cannot be removed `git` complains of.
            let _ = fs::remove_file(&lock);
        }
    }
}

/// Asks the repository of a connection for its branches: so many there are.
pub(crate) async fn count_branches(connection: &Connection) -> anyhow::Result<usize> {
    let address = connection.host.as_deref().filter(|host| !host.is_empty());
    let address = address.ok_or_else(|| anyhow!("it has no address of a repository that could be asked"))?;
    let Repository { url, .. } =
        Repository::parse(address.trim_start_matches("git+")).map_err(|problem| anyhow!(problem))?;
    let folder = tempfile::tempdir().context("cannot make a folder for `git`")?;
    let program = Program { folder: folder.path(), url: &url };
    let listed = program.call_as(&["ls-remote", "--heads", url.as_str()], connection)?.run().await?;
    Ok(listed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count())
}

#[async_trait]
impl Origin for Clone {
    async fn list(&mut self) -> anyhow::Result<Listing> {
        self.fetch().await?;
        let tree = format!("{HEAD}:{}", self.repository.subfolder);
        let listed = self.program().call(&["ls-tree", "-r", "-z", "-l", &tree]).run().await;
        let listed = listed.with_context(|| format!("it has no folder `{}`", self.repository.subfolder))?;
        listed
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .filter_map(|line| entry(line).transpose())
            .collect()
    }

    async fn read(&self, _: &str, file: &RemoteFile) -> anyhow::Result<Vec<u8>> {
        self.program().call(&["cat-file", "blob", &file.tag]).run().await
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_locks_of_a_git_that_was_killed_are_removed_and_those_of_another_are_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("refs/updraft")).unwrap();
        let [left, held] = LOCKS.map(|name| folder.path().join(name));
        fs::File::create(&left).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::File::create(&held).unwrap();

        unlock(folder.path(), false);
        assert!(!left.exists() && held.exists());
        unlock(folder.path(), true);
        assert!(!held.exists());
    }
}
