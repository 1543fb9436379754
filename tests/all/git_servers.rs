//! DAG files in repositories that want to know who asks: over ssh, with OpenSSH's server, and over https, with Git's own.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::dag_origins::{Repository, dag, is_in_step, is_in_trouble, live, start, there_are};
use crate::server::{Backend, Installation};

const PASSWORD: &str = "s3cr3t-t0ken";

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output
        .unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}); `make test-packages` installs it"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with one DAG.
fn repository() -> Repository {
    let repository = Repository::new();
    repository.write("dags/one.yaml", &dag("first"));
    repository.write("dags/load.sql", "SELECT 1");
    repository.push("main");
    repository
}

/// The connection `my_git`, as a variable of the environment.
fn connection(extra: &Value) -> (&'static str, String) {
    let connection = json!({ "conn_type": "git", "login": "me", "password": PASSWORD, "extra": extra });
    ("UPDRAFT_CONN_MY_GIT", connection.to_string())
}

/// A server of OpenSSH that lets one key in.
struct Ssh {
    folder: tempfile::TempDir,
    port: u16,
}

impl Ssh {
    fn start() -> Ssh {
        let folder = tempfile::TempDir::with_prefix("updraft-sshd-").unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "key", "other"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file(name)]);
        }
        std::fs::copy(file("key.pub"), file("authorized")).unwrap();
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nSetEnv PATH={}\n",
            file("host"),
            file("authorized"),
            std::env::var_os("PATH").unwrap().display(),
        );
        std::fs::write(file("config"), config).unwrap();
        // A server of the superuser wants this folder, which its package makes at a start of the machine only.
        let _ = std::fs::create_dir("/run/sshd");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = file("config");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = OwnedFd::from(stream.unwrap());
                let (input, output) = (stream.try_clone().unwrap(), stream);
                let server = Command::new("/usr/sbin/sshd")
                    .args(["-i", "-e", "-f", &config])
                    .stdin(input)
                    .stdout(output)
                    .stderr(Stdio::null())
                    .spawn();
                let mut server = server.expect("sshd can be started; `make test-packages` installs openssh-server");
                std::thread::spawn(move || server.wait());
            }
        });
        Ssh { folder, port }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The line by which it is known, with one of the keys.
    fn known_as(&self, key: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.read(&format!("{key}.pub")))
    }

    fn address(&self, repository: &Repository) -> String {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        format!(
            "git+ssh://{}@127.0.0.1:{}{}?conn_id=my_git#main:dags",
            user.trim(),
            self.port,
            repository.bare().display()
        )
    }
}

#[tokio::test]
async fn dag_files_come_over_ssh_by_the_key_of_a_connection() {
    let (repository, ssh) = (repository(), Ssh::start());
    let address = ssh.address(&repository);
    let installation = Installation::new(Backend::Sqlite).await;
    // A form may have lost the line breaks.
    let key = ssh.read("key").replace('\n', " ");
    let right = json!({ "private_key": key, "known_hosts": ssh.known_as("host") });
    let server = start(&installation, &address, &[connection(&right)]).await;
    let db = installation.database().await;
    there_are(&db, &["one"]).await;
    assert!(server.stop().await);
    let copied: Vec<PathBuf> = copies(&installation.home(), "load.sql");
    assert!(!copied.is_empty(), "what tasks name comes along");

    repository.write("dags/two.yaml", &dag("first"));
    repository.push("main");
    for (extra, words) in [
        (json!({ "private_key": ssh.read("other"), "known_hosts": ssh.known_as("host") }), "Permission denied"),
        (json!({ "private_key": ssh.read("key"), "known_hosts": ssh.known_as("other") }), "verification failed"),
        (json!({ "private_key": "none", "known_hosts": ssh.known_as("host") }), "it begins with a line"),
    ] {
        let server = start(&installation, &address, &[connection(&extra)]).await;
        is_in_trouble(&db, &address, words).await;
        assert_eq!(live(&db).await, ["one"], "{words}: the last good state goes on");
        assert!(server.stop().await);
    }
    let key = ssh.folder.path().join("key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let by_file = json!({ "key_file": key, "known_hosts_file": ssh.folder.path().join("known") });
    std::fs::write(ssh.folder.path().join("known"), ssh.known_as("host")).unwrap();
    let server = start(&installation, &address, &[connection(&by_file)]).await;
    is_in_step(&db, &address).await;
    there_are(&db, &["one", "two"]).await;
    assert!(server.stop().await);
}

/// All files of that name in the copies of a home.
fn copies(home: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.join("dags-origins")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str() == Some(name) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Git's own server over https, with a certificate that nobody else knows.
struct Https {
    child: Child,
    port: String,
    folder: tempfile::TempDir,
}

impl Https {
    fn start(repository: &Repository) -> Https {
        let folder = tempfile::TempDir::with_prefix("updraft-https-").unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (certificate, key) = (file("certificate.pem"), file("key.pem"));
        let subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
        let make =
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", &key, "-out", &certificate];
        run("openssl", &[make.as_slice(), &subject].concat());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/git_https.py");
        let root = repository.bare().parent().unwrap().to_owned();
        let mut child = Command::new("python3")
            .arg(script)
            .arg(root)
            .args([&certificate, &key, &format!("me:{PASSWORD}")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Https { child, port: port.trim().to_owned(), folder }
    }

    fn certificate(&self) -> String {
        self.folder.path().join("certificate.pem").display().to_string()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn dag_files_come_over_https_by_the_password_of_a_connection() {
    let repository = repository();
    let https = Https::start(&repository);
    let address = format!("git+https://127.0.0.1:{}/dags.git?conn_id=my_git#main:dags", https.port);
    let installation = Installation::new(Backend::Sqlite).await;
    let right = connection(&json!({}));
    let trusted = ("SSL_CERT_FILE", https.certificate());

    let server = start(&installation, &address, std::slice::from_ref(&right)).await;
    let db = installation.database().await;
    is_in_trouble(&db, &address, "certificate").await;
    is_in_trouble(&db, &address, "with `SSL_CERT_FILE`").await;
    assert!(server.stop().await);
    let server = start(&installation, &address, &[right.clone(), trusted.clone()]).await;
    is_in_step(&db, &address).await;
    there_are(&db, &["one"]).await;
    assert!(server.stop().await);
    let wrong = (right.0, right.1.replace(PASSWORD, "another"));
    let server = start(&installation, &address, &[wrong, trusted.clone()]).await;
    is_in_trouble(&db, &address, "could not read Username").await;
    is_in_trouble(&db, &address, "does not let in whom the connection `my_git` names").await;
    assert_eq!(live(&db).await, ["one"]);
    assert!(server.stop().await);

    // The same connection can be tried out when it names a repository.
    let with_host = json!({ "conn_type": "git", "login": "me", "password": PASSWORD,
                            "host": format!("https://127.0.0.1:{}/dags.git", https.port) });
    let mut command = installation.command(&["connections", "test", "my_git"]);
    command.env("UPDRAFT_CONN_MY_GIT", with_host.to_string()).env(trusted.0, &trusted.1);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("it has 1 branches"), "{said}");
}

/// What is wrong with an address is told with what to do about it.
#[tokio::test]
async fn addresses_that_lead_nowhere_over_https_say_what_to_do() {
    let repository = repository();
    let https = Https::start(&repository);
    // A port that is taken, so that nobody else gets it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = taken.local_addr().unwrap();
    let at = |rest: &str| format!("git+https://127.0.0.1:{}/{rest}", https.port);
    let known = connection(&json!({}));
    let trusted = ("SSL_CERT_FILE", https.certificate());
    for (address, words) in [
        (at("dags.git#main:dags"), "add `?conn_id=` with its id"),
        (at("dags.git?conn_id=my_git#mian:dags"), "no such branch, tag or commit"),
        (at("dags.git?conn_id=my_git#main:dogs"), "it has no folder `dogs`"),
        (at("gone.git?conn_id=my_git#main"), "there is no repository at this address"),
        (at("dags.git?conn_id=another#main:dags"), "there is no connection `another`"),
        (format!("git+https://{nobody}/dags.git#main"), "the repository cannot be reached"),
    ] {
        let installation = Installation::new(Backend::Sqlite).await;
        let server = start(&installation, &address, &[known.clone(), trusted.clone()]).await;
        let db = installation.database().await;
        is_in_trouble(&db, &address, words).await;
        is_in_trouble(&db, &address, &format!("{address} cannot be read")).await;
        assert!(server.stop().await);
    }
}
