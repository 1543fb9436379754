//! An Updraft of a test's own: the real binary in a home of its own, on either database.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use scheduler::store::entity::{dag_run, task_instance};
use scheduler::store::{Db, runs};
use scheduler::testing::postgres_url;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a test waits for something that must come; far beyond what it takes, so that a slow machine fails nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// On which database a test runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A home folder, a DAGs folder and a database, without a process yet.
pub(crate) struct Installation {
    folder: TempDir,
    database_url: String,
}

impl Installation {
    pub(crate) async fn new(backend: Backend) -> Installation {
        let folder = TempDir::with_prefix("updraft-e2e-").expect("a temporary folder can be made");
        std::fs::create_dir(folder.path().join("dags")).expect("a folder can be made");
        let database_url = match backend {
            Backend::Sqlite => format!("sqlite://{}", folder.path().join("home/updraft.db").display()),
            Backend::Postgres => postgres_url().await,
        };
        Installation { folder, database_url }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a DAG file, as an editor that saves in place does.
    pub(crate) fn write_dag(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("dags").join(name), text).expect("a DAG file can be written");
    }

    /// The command, with this installation's settings and nothing else of ours.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_updraft"));
        command
            .args(args)
            .env("UPDRAFT_HOME", self.home())
            .env("UPDRAFT_DATABASE_URL", &self.database_url)
            .env("UPDRAFT_DAGS_FOLDER", self.folder.path().join("dags"))
            .env("UPDRAFT_DAGS_ARE_PAUSED_AT_CREATION", "false")
            .env("UPDRAFT_ADMIN_PASSWORD", "let-me-in")
            .env("NO_COLOR", "1")
            .current_dir(self.folder.path())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().await.expect("the binary can be started")
    }

    /// Runs a command that must succeed; answers with what it printed as JSON.
    pub(crate) async fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(&[args, &["--output", "json"]].concat()).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the output is JSON")
    }

    /// Starts `updraft standalone` on a free port, and waits until it is ready.
    pub(crate) async fn start(&self) -> Server {
        self.start_with(&[]).await
    }

    /// The same, with more flags.
    pub(crate) async fn start_with(&self, flags: &[&str]) -> Server {
        let mut child = self
            .command(&[&["standalone", "--port", "0"], flags].concat())
            .env("UPDRAFT_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is a pipe")).lines();
        let url = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.expect("its output can be read") {
                if let Some((_, url)) = line.split_once("is ready at  ") {
                    return url.trim().to_owned();
                }
            }
            panic!("the server ended before it was ready");
        })
        .await
        .expect("the server becomes ready");
        Server { child, url }
    }

    /// The database, to look at from outside.
    pub(crate) async fn database(&self) -> Db {
        Db::connect(&self.database_url).await.expect("the database answers")
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("our own child can be killed");
    }

    /// Asks it to stop, and waits until it has. Answers with whether it said that all was well.
    pub(crate) async fn stop(mut self) -> bool {
        let pid = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await.expect("there is a kill command");
        assert!(told.success());
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it stops")
            .expect("it can be waited for")
            .success()
    }
}

/// Waits until `look` finds what it looks for.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a run is over.
pub(crate) async fn finished(db: &Db, dag_id: &str, run_id: &str) -> dag_run::Model {
    eventually(&format!("the end of run {run_id}"), || async {
        let run = runs::find(db.read(), dag_id, run_id).await.expect("runs can be read")?;
        matches!(run.state.as_str(), "success" | "failed").then_some(run)
    })
    .await
}

/// The task instances of a run.
pub(crate) async fn instances(db: &Db, run: &dag_run::Model) -> Vec<task_instance::Model> {
    runs::instances(db.read(), run.id).await.expect("task instances can be read")
}
