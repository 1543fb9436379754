//! DAG files in S3 and in git, with the real binary: they appear, change and disappear, and the last good state stays when
//! nobody answers.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use futures::StreamExt as _;
use scheduler::store::{Db, dags};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::server::{Backend, Installation, Server, eventually};

/// A DAG file whose task says a word.
pub(crate) fn dag(word: &str) -> String {
    format!("tasks:\n  - {{task_id: say, operator: bash, bash_command: echo {word}}}\n")
}

/// The DAGs that are there, in order.
pub(crate) async fn live(db: &Db) -> Vec<String> {
    let rows = dags::list_all(db.read()).await.unwrap();
    rows.into_iter()
        .filter(|row| !row.is_stale)
        .map(|row| row.dag_id)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Waits until exactly these DAGs are there.
pub(crate) async fn there_are(db: &Db, expected: &[&str]) {
    eventually(&format!("{expected:?}"), || async { (live(db).await == expected).then_some(()) }).await;
}

/// What is wrong with the origin, as the UI shows it.
async fn trouble(db: &Db, name: &str) -> Option<String> {
    let errors = dags::list_import_errors(db.read(), "dags-folder").await.unwrap();
    errors.into_iter().find(|error| error.filename == name).map(|error| error.stack_trace)
}

pub(crate) async fn is_in_trouble(db: &Db, name: &str, words: &str) {
    eventually(words, || async { trouble(db, name).await.filter(|trouble| trouble.contains(words)) }).await;
}

pub(crate) async fn is_in_step(db: &Db, name: &str) {
    eventually("the end of the trouble", || async { trouble(db, name).await.is_none().then_some(()) }).await;
}

/// A server that reads its DAG files from an address.
pub(crate) async fn start(installation: &Installation, address: &str, variables: &[(&str, String)]) -> Server {
    let mut command = installation.command(&["standalone", "--port", "0", "--dags-folder", address]);
    command.env("UPDRAFT_DAGS_REFRESH_SECS", "1").env("UPDRAFT_LOG", "error");
    command.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    Server::start(command).await
}

/// A server that speaks S3, from the Python package moto.
pub(crate) struct Moto {
    child: Child,
    pub(crate) address: String,
}

impl Moto {
    /// Starts one on a free port.
    pub(crate) fn start() -> Moto {
        let environment = std::env::var_os("UPDRAFT_TEST_VENV")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv"), PathBuf::from);
        let mut child = Command::new(environment.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server can be started; `make venv` installs it");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.ok()?.split_once("Running on http://")?.1.trim().to_owned()))
            .expect("moto_server says where it listens");
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Moto { child, address }
    }

    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        variables(&self.address)
    }

    /// One request; moto looks at no signature. Answers with the version that it made or met, in a bucket that keeps them.
    async fn ask(&self, method: &str, key: &str, body: &str) -> Option<String> {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "{method} /{key} HTTP/1.1\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/s3/aws4_request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(matches!(answer.split(' ').nth(1), Some("200" | "204")), "{answer}");
        let mut headers = answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
        headers.find(|(name, _)| name.eq_ignore_ascii_case("x-amz-version-id")).map(|(_, id)| id.to_owned())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process reaches the S3 at an address.
fn variables(address: &str) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
}

/// An address behind which servers come and go. A port that is given back might be another process's by the time it is wanted
/// again, so this one is held.
struct Address {
    text: String,
    behind: watch::Sender<Option<String>>,
}

impl Address {
    async fn of(moto: &Moto) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = listener.local_addr().unwrap().to_string();
        let (behind, who) = watch::channel(Some(moto.address.clone()));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut who = who.clone();
                tokio::spawn(async move {
                    let address = who.borrow_and_update().clone();
                    // Whoever asks while nobody is there is hung up on, and so is everybody when who is there leaves.
                    let Some(address) = address else { return };
                    let Ok(mut server) = TcpStream::connect(address).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = who.changed() => {}
                    }
                });
            }
        });
        Address { text, behind }
    }

    fn leads_to(&self, moto: Option<&Moto>) {
        self.behind.send_replace(moto.map(|moto| moto.address.clone()));
    }
}

#[tokio::test]
async fn dag_files_in_s3_are_kept_in_step() {
    let moto = Moto::start();
    moto.ask("PUT", "team", "").await;
    moto.ask("PUT", "team/dags/one.yaml", &dag("first")).await;
    moto.ask("PUT", "team/dags/sales/two.yaml", &dag("first")).await;
    moto.ask("PUT", "team/dags/sales/load.sql", "SELECT 1").await;
    moto.ask("PUT", "team/dags/sales/rows%23%25~.sql", "SELECT 2").await;
    moto.ask("PUT", "team/dags/rows.parquet", "no DAG").await;
    moto.ask("PUT", "team/dags-of-others/three.yaml", &dag("first")).await;
    let installation = Installation::new(Backend::Sqlite).await;
    let endpoint = Address::of(&moto).await;
    let (address, variables) = ("s3://team/dags", variables(&endpoint.text));
    let server = start(&installation, address, &variables).await;
    let db = installation.database().await;
    assert_eq!(live(&db).await, ["one", "two"], "they are there as soon as the server is");
    let fileloc = dags::find(db.read(), "two").await.unwrap().unwrap().fileloc;
    let beside = Path::new(&fileloc).with_file_name("load.sql");
    assert_eq!(std::fs::read_to_string(beside).unwrap(), "SELECT 1", "and what their tasks name");
    let odd = Path::new(&fileloc).with_file_name("rows#%~.sql");
    assert_eq!(std::fs::read_to_string(odd).unwrap(), "SELECT 2", "whatever it is called");

    moto.ask("PUT", "team/dags/one.yaml", &dag("second")).await;
    moto.ask("DELETE", "team/dags/sales/two.yaml", "").await;
    moto.ask("PUT", "team/dags/three.yaml", &dag("first")).await;
    there_are(&db, &["one", "three"]).await;
    let source = dags::find(db.read(), "one").await.unwrap().unwrap().source;
    assert!(source.contains("echo second"), "one state is seen whole: {source}");

    // Nobody answers: what was read goes on, and it is said.
    endpoint.leads_to(None);
    drop(moto);
    is_in_trouble(&db, address, "the DAGs go on as they were last read").await;
    assert!(server.stop().await);
    let server = start(&installation, address, &variables).await;
    assert_eq!(live(&db).await, ["one", "three"], "also after a start without the origin");
    is_in_trouble(&db, address, "s3://team/dags cannot be read").await;

    // An installation that has never seen it starts all the same.
    let elsewhere = Installation::new(Backend::Sqlite).await;
    let other = start(&elsewhere, address, &variables).await;
    let other_db = elsewhere.database().await;
    is_in_trouble(&other_db, address, "no state of it is known here").await;
    assert!(live(&other_db).await.is_empty());

    let moto = Moto::start();
    moto.ask("PUT", "team", "").await;
    moto.ask("PUT", "team/dags/four.yaml", &dag("first")).await;
    endpoint.leads_to(Some(&moto));
    there_are(&db, &["four"]).await;
    is_in_step(&db, address).await;
    there_are(&other_db, &["four"]).await;
    is_in_step(&other_db, address).await;
    assert!(server.stop().await && other.stop().await);
}

#[tokio::test]
async fn dag_files_in_a_bucket_that_keeps_versions_are_those_of_now() {
    let moto = Moto::start();
    moto.ask("PUT", "team", "").await;
    let status = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    moto.ask("PUT", "team?versioning", status).await;
    moto.ask("PUT", "team/dags/one.yaml", &dag("first")).await.expect("the bucket keeps versions");
    moto.ask("PUT", "team/dags/two.yaml", &dag("first")).await;
    let installation = Installation::new(Backend::Sqlite).await;
    let server = start(&installation, "s3://team/dags", &moto.variables()).await;
    let db = installation.database().await;
    assert_eq!(live(&db).await, ["one", "two"]);
    let says = async |word: &str| {
        let word = format!("echo {word}");
        let source = async || dags::find(db.read(), "one").await.unwrap().map(|dag| dag.source);
        eventually(&word, || async { source().await.filter(|source| source.contains(&word)) }).await;
    };

    let second = moto.ask("PUT", "team/dags/one.yaml", &dag("second")).await.unwrap();
    says("second").await;

    // What is deleted stays in the bucket, behind a marker.
    let marker = moto.ask("DELETE", "team/dags/two.yaml", "").await.expect("a delete marker");
    there_are(&db, &["one"]).await;
    moto.ask("DELETE", &format!("team/dags/two.yaml?versionId={marker}"), "").await;
    there_are(&db, &["one", "two"]).await;

    // The version before is restored by taking away the one after it.
    moto.ask("DELETE", &format!("team/dags/one.yaml?versionId={second}"), "").await;
    says("first").await;
    is_in_step(&db, "s3://team/dags").await;
    assert!(server.stop().await);
}

/// S3 tells of a thousand objects at a time.
#[tokio::test]
async fn dag_files_are_found_on_every_page_of_a_listing() {
    let moto = Moto::start();
    moto.ask("PUT", "team", "").await;
    moto.ask("PUT", "team/dags/a.yaml", &dag("first")).await;
    moto.ask("PUT", "team/dags/z.yaml", &dag("first")).await;
    let s3 = &moto;
    let put = |number: u32| async move {
        s3.ask("PUT", &format!("team/dags/m/{number:04}.parquet"), "").await;
    };
    futures::stream::iter(0..1_001).for_each_concurrent(8, put).await;
    let installation = Installation::new(Backend::Sqlite).await;
    let server = start(&installation, "s3://team/dags", &moto.variables()).await;
    let db = installation.database().await;
    assert_eq!(live(&db).await, ["a", "z"]);

    moto.ask("DELETE", "team/dags/z.yaml", "").await;
    moto.ask("PUT", "team/dags/zz.yaml", &dag("first")).await;
    there_are(&db, &["a", "zz"]).await;
    assert!(server.stop().await);
}

/// A bare repository, and a clone of it to work in.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    pub(crate) fn new() -> Repository {
        let repository = Repository { folder: tempfile::TempDir::with_prefix("updraft-git-").unwrap() };
        let (bare, work) = (repository.bare(), repository.work());
        let at = repository.folder.path();
        git(at, &["init", "--quiet", "--bare", "--initial-branch=main", bare.to_str().unwrap()]);
        git(at, &["clone", "--quiet", bare.to_str().unwrap(), work.to_str().unwrap()]);
        git(&work, &["checkout", "--quiet", "-B", "main"]);
        repository
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.folder.path().join("dags.git")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn push(&self, reference: &str) {
        git(&self.work(), &["add", "--all"]);
        git(&self.work(), &["commit", "--quiet", "--message", "a change"]);
        git(&self.work(), &["push", "--quiet", "origin", &format!("HEAD:{reference}")]);
    }
}

fn git(folder: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("there is a git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn dag_files_in_git_are_kept_in_step() {
    let repository = Repository::new();
    repository.write("airflow/dags/one.yaml", &dag("first"));
    repository.write("airflow/dags/sales/defaults.yaml", "tags: [sales]\n");
    repository.write("airflow/dags/sales/two.yaml", &dag("first"));
    repository.write("elsewhere.yaml", &dag("first"));
    std::os::unix::fs::symlink("/etc/passwd", repository.work().join("airflow/dags/link.yaml")).unwrap();
    repository.push("main");
    let address = format!("git+file://{}#main:airflow/dags", repository.bare().display());
    let installation = Installation::new(Backend::Sqlite).await;
    let server = start(&installation, &address, &[]).await;
    let db = installation.database().await;
    assert_eq!(live(&db).await, ["one", "two"]);

    repository.write("airflow/dags/one.yaml", &dag("second"));
    repository.write("airflow/dags/three.yaml", "tasks: 7\n");
    std::fs::remove_file(repository.work().join("airflow/dags/sales/two.yaml")).unwrap();
    repository.push("other");
    assert_eq!(live(&db).await, ["one", "two"], "another branch is no business of ours");
    git(&repository.work(), &["push", "--quiet", "origin", "HEAD:main"]);
    there_are(&db, &["one"]).await;
    let source = dags::find(db.read(), "one").await.unwrap().unwrap().source;
    assert!(source.contains("echo second"), "{source}");
    assert!(trouble(&db, "three.yaml").await.is_some(), "mistakes are told under the name of the file");

    let away = repository.bare().with_extension("away");
    std::fs::rename(repository.bare(), &away).unwrap();
    is_in_trouble(&db, &address, "the DAGs go on as they were last read").await;
    assert!(server.stop().await);
    let server = start(&installation, &address, &[]).await;
    assert_eq!(live(&db).await, ["one"]);
    std::fs::rename(&away, repository.bare()).unwrap();
    is_in_step(&db, &address).await;
    assert!(server.stop().await);
}

#[tokio::test]
async fn git_that_is_not_installed_is_told() {
    let installation = Installation::new(Backend::Sqlite).await;
    let address = "git+https://example.com/dags.git";
    let nowhere = installation.path().join("nowhere").display().to_string();
    let server = start(&installation, address, &[("PATH", nowhere)]).await;
    let db = installation.database().await;
    is_in_trouble(&db, address, "`git` is not installed").await;
    assert!(server.stop().await);
}

#[tokio::test]
async fn addresses_that_cannot_be_are_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    for (address, words) in [
        ("gs://bucket/dags", "no kind of place"),
        ("git+https://me:s3cret@example.com/dags.git", "?conn_id="),
        ("s3:///dags", "names no bucket"),
    ] {
        let output = installation.run(&["standalone", "--port", "0", "--dags-folder", address]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !said.contains("s3cret"), "{said}");
    }
}
