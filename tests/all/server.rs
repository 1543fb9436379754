//! An Updraft of a test's own: the real binary in a home of its own, on either database.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use scheduler::store::entity::{dag_run, task_instance};
use scheduler::store::{Db, runs};
use scheduler::testing::postgres_url;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
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

    /// The same on a database that somebody else started.
    pub(crate) async fn on(database_url: String) -> Installation {
        Installation { database_url, ..Installation::new(Backend::Sqlite).await }
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
        command.args(args);
        self.with_settings(command)
    }

    /// The same, started by another program that takes a command as its last arguments.
    pub(crate) fn command_under(&self, program: &[&str], args: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(env!("CARGO_BIN_EXE_updraft")).args(args);
        self.with_settings(command)
    }

    fn with_settings(&self, mut command: Command) -> Command {
        command
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
        let mut command = self.command(&[&["standalone", "--port", "0"], flags].concat());
        command.env("UPDRAFT_LOG", "warn");
        Server::start(command).await
    }

    /// The same, with what it says in a file.
    pub(crate) async fn start_logged(&self) -> (Server, ServerLog) {
        let (command, log) = self.logged_command();
        (Server::start(command).await, log)
    }

    /// The command that starts a server whose words go into a file.
    pub(crate) fn logged_command(&self) -> (Command, ServerLog) {
        let log = ServerLog { path: self.folder.path().join("server.log") };
        let mut command = self.command(&["standalone", "--port", "0"]);
        command.stderr(std::fs::File::create(&log.path).expect("a file can be made"));
        (command, log)
    }

    /// Starts one of the roles that work together on Postgres, and waits until it is ready.
    pub(crate) async fn start_role(&self, role: &str, flags: &[&str]) -> Server {
        let mut command = self.command(&[&[role], flags].concat());
        command.env("UPDRAFT_LOG", "warn,scheduler=info");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("roles.log"));
        command.stderr(log.expect("a file can be made"));
        Server::start(command).await
    }

    /// The database, to look at from outside.
    pub(crate) async fn database(&self) -> Db {
        Db::connect(&self.database_url).await.expect("the database answers")
    }

    /// Where the database is.
    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }
}

/// What a server says on standard error.
pub(crate) struct ServerLog {
    path: PathBuf,
}

impl ServerLog {
    /// All of it so far.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("the log can be read")
    }

    /// Waits until it has said that.
    pub(crate) async fn says(&self, words: &str) {
        eventually(words, || async { self.text().contains(words).then_some(()) }).await;
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts a server, and waits until it is ready.
    pub(crate) async fn start(mut command: Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is a pipe")).lines();
        let url = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.expect("its output can be read") {
                if let Some((_, url)) = line.split_once("is ready") {
                    return url.trim_start_matches(" at  ").trim().to_owned();
                }
            }
            panic!("the server ended before it was ready");
        })
        .await
        .expect("the server becomes ready");
        Server { child, url }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> String {
        self.child.id().expect("it runs").to_string()
    }

    /// Signs in, and answers with a token.
    pub(crate) async fn token(&self) -> String {
        let credentials = r#"{"username": "admin", "password": "let-me-in"}"#;
        let answer = self.request("POST", "/auth/token", None, credentials).await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("the answer has a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("the body is JSON");
        body["access_token"].as_str().expect("there is a token").to_owned()
    }

    /// Sends one request and answers with what comes back, as it is.
    pub(crate) async fn request(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> String {
        let address = self.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.expect("the server listens");
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("the server answers");
        answer
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("our own child can be killed");
    }

    /// Lets it stand still, or go on.
    pub(crate) async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.pid()]).status().await.expect("there is a kill command");
        assert!(sent.success());
    }

    /// Asks it to stop, and waits until it has. Answers with whether it said that all was well.
    pub(crate) async fn stop(mut self) -> bool {
        let pid = self.pid();
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
