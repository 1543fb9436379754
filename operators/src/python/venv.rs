//! Environments with packages: made once for each list of requirements, and kept in the home folder.
//!
//! ```text
//!   home/python/<hash of interpreter and requirements>/      the environment
//!   home/python/<hash>.lock                                   held by whoever makes it
//! ```
//!
//! The last thing that is written into an environment is a mark that it is complete; one without is made anew.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use scheduler::operator::{TaskContext, TaskError};
use sha2::{Digest as _, Sha256};

use crate::process::{self, Ended};
use crate::spawn::Command;

/// The name of the mark.
const MARK: &str = "updraft-complete";

/// While another try makes the environment, it is looked at so often.
const LOOK: Duration = Duration::from_millis(250);

/// Digits of a hash that tell environments apart.
const HASH_DIGITS: usize = 24;

/// What an environment is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The interpreter, as a name or as a path.
    pub(super) python: String,
    /// As pip reads them, a line each.
    pub(super) requirements: Vec<String>,
    /// Whether packages of the interpreter are seen, too.
    pub(super) has_system_packages: bool,
    /// Further options of pip.
    pub(super) options: Vec<String>,
}

impl Recipe {
    /// The interpreter of the environment, which is made if there is none.
    pub(super) async fn interpreter(&self, ctx: &TaskContext) -> Result<PathBuf, TaskError> {
        let base = found(&self.python).unwrap_or_else(|| PathBuf::from(&self.python));
        let root = ctx.home.join("python");
        let folder = root.join(self.hash(&base));
        let interpreter = folder.join("bin/python");
        if is_complete(&folder) {
            ctx.log.info(format_args!("Uses the environment {}", folder.display()));
            return Ok(interpreter);
        }
        tokio::fs::create_dir_all(&root).await.with_context(|| format!("cannot make `{}`", root.display()))?;
        let _lock = lock(&folder.with_extension("lock"), ctx).await?;
        // Whoever had the lock may have made it.
        if !is_complete(&folder) {
            self.make(&base, &folder, ctx).await?;
        }
        Ok(interpreter)
    }

    /// What tells it from others.
    fn hash(&self, base: &Path) -> String {
        let mut hash = Sha256::new();
        hash.update(base.as_os_str().as_encoded_bytes());
        hash.update([u8::from(self.has_system_packages)]);
        for list in [&self.requirements, &self.options] {
            hash.update(list.len().to_le_bytes());
            for line in list {
                hash.update(line.len().to_le_bytes());
                hash.update(line);
            }
        }
        let digits = hash.finalize().iter().fold(String::new(), |mut digits, byte| {
            // Writing to a text cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        digits[..HASH_DIGITS].to_owned()
    }

    async fn make(&self, base: &Path, folder: &Path, ctx: &TaskContext) -> Result<(), TaskError> {
        let making = || format!("cannot make the environment `{}`", folder.display());
        match tokio::fs::remove_dir_all(folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(TaskError::retry(anyhow!(error).context(making())));
            }
            _ => {}
        }
        let uv = found("uv");
        let by = if uv.is_some() { "uv" } else { "venv and pip" };
        let count = self.requirements.len();
        ctx.log.info(format_args!("Makes an environment with {count} requirements by {by}: {}", folder.display()));
        let mut create = match &uv {
            Some(uv) => {
                let mut command = Command::new(uv);
                command.arg("venv").arg("--python").arg(base);
                command
            }
            None => {
                let mut command = Command::new(base);
                command.args(["-m", "venv"]);
                command
            }
        };
        if self.has_system_packages {
            create.arg("--system-site-packages");
        }
        create.arg(folder);
        run(create, "the environment", ctx).await?;
        if !self.requirements.is_empty() {
            self.install(uv.as_deref(), folder, ctx).await?;
        }
        let made_of = self.requirements.join("\n") + "\n";
        tokio::fs::write(folder.join(MARK), made_of).await.with_context(making)?;
        Ok(())
    }

    async fn install(&self, uv: Option<&Path>, folder: &Path, ctx: &TaskContext) -> Result<(), TaskError> {
        let list = folder.join("updraft-requirements.txt");
        let text = self.requirements.join("\n") + "\n";
        tokio::fs::write(&list, text).await.context("cannot write the requirements")?;
        let interpreter = folder.join("bin/python");
        let mut install = match uv {
            Some(uv) => {
                let mut command = Command::new(uv);
                command.args(["pip", "install", "--python"]).arg(interpreter);
                command
            }
            None => {
                let mut command = Command::new(interpreter);
                command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
                command
            }
        };
        install.args(&self.options).arg("-r").arg(list);
        run(install, "the requirements", ctx).await
    }
}

/// Runs a step; what it prints is in the log.
async fn run(mut command: Command, what: &str, ctx: &TaskContext) -> Result<(), TaskError> {
    process::hide_settings(&mut command);
    let ended = process::run(command, &ctx.log, &ctx.cancelled).await;
    match ended.with_context(|| format!("cannot install {what}"))? {
        Ended::ByItself { status, .. } if status.success() => Ok(()),
        Ended::ByItself { status, last_error, .. } => {
            let said = last_error.map(|line| format!(": {line}")).unwrap_or_default();
            Err(TaskError::retry(anyhow!("installing {what} ended with {}{said}", process::spoken(status))))
        }
        Ended::Stopped => Err(TaskError::cancelled()),
    }
}

fn is_complete(folder: &Path) -> bool {
    // The interpreter is a link, which leads nowhere when the one that it was made from is gone.
    folder.join(MARK).is_file() && folder.join("bin/python").is_file()
}

/// Holds the lock of an environment, against other tries and other processes, until it is dropped.
async fn lock(path: &Path, ctx: &TaskContext) -> Result<File, TaskError> {
    let locking = || format!("cannot lock `{}`", path.display());
    let file = File::options().create(true).truncate(false).write(true).open(path).with_context(locking)?;
    let mut has_told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(TaskError::retry(anyhow!(error).context(locking()))),
        }
        if !std::mem::replace(&mut has_told, true) {
            ctx.log.info("Waits for another try that makes this environment");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = ctx.cancelled.cancelled() => return Err(TaskError::cancelled()),
        }
    }
}

/// Where a program is.
fn found(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_environment_is_made_of_tells_it_from_others() {
        let recipe = |python: &str, requirements: &[&str], has_system_packages, options: &[&str]| {
            let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            let python = python.to_owned();
            Recipe { python, requirements: texts(requirements), has_system_packages, options: texts(options) }
                .hash(Path::new("/usr/bin/python3"))
        };
        let hashes = [
            recipe("python3", &["a", "b"], false, &[]),
            recipe("python3", &["ab"], false, &[]),
            recipe("python3", &["a"], false, &["b"]),
            recipe("python3", &["a", "b"], true, &[]),
        ];
        let different: std::collections::BTreeSet<&String> = hashes.iter().collect();
        assert_eq!(different.len(), hashes.len());
        assert_eq!(hashes[0], recipe("python3", &["a", "b"], false, &[]));
    }
}
