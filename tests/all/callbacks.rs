//! Callbacks as people set them up: a server that is killed before it has told anybody, a mail server that wants TLS and a
//! password, the example.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rstest::rstest;
use scheduler::store::callbacks;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Backend, Installation, PATIENCE, Server, eventually, finished};

/// A request that has arrived and is not answered yet.
struct Asked {
    stream: tokio::io::BufReader<TcpStream>,
    key: String,
    body: serde_json::Value,
}

impl Asked {
    async fn accept(listener: &TcpListener) -> Asked {
        let (stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("somebody calls").unwrap();
        let mut stream = tokio::io::BufReader::new(stream);
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            match line.trim().split_once(": ") {
                Some(("idempotency-key", value)) => value.clone_into(&mut key),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                _ if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        Asked { stream, key, body: serde_json::from_slice(&body).unwrap() }
    }

    async fn answer(self) {
        self.answer_with("204 No Content").await;
    }

    async fn answer_with(mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        self.stream.write_all(answer.as_bytes()).await.unwrap();
        self.stream.shutdown().await.unwrap();
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn kill_9_before_a_callback_was_taken_delivers_it_after_the_restart(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    installation.write_dag(
        "fails.yaml",
        &format!("on_failure_callback: {{webhook: \"{url}\"}}\ntasks: [{{task_id: a, operator: bash, bash_command: exit 3}}]\n"),
    );
    let server = Server::start(with_base_url(&installation)).await;
    installation.json(&["dags", "trigger", "fails", "--run-id", "one"]).await;
    let before = Asked::accept(&listener).await;

    server.kill().await;
    drop(before.stream);
    let server = Server::start(with_base_url(&installation)).await;
    let after = Asked::accept(&listener).await;

    assert_eq!(after.key, before.key, "whoever was told twice can tell");
    assert_eq!(after.body, before.body);
    assert_eq!(after.body["reason"], "task_failure");
    assert_eq!(after.body["exception"], "the command ended with exit code 3");
    after.answer().await;
    let db = installation.database().await;
    let run = finished(&db, "fails", "one").await;
    eventually("the end of the delivery", || async {
        callbacks::of_run(db.read(), run.id).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_receiver_refused_is_listed_with_the_reason_and_told_again_by_command(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/s3cret", listener.local_addr().unwrap());
    installation.write_dag(
        "fails.yaml",
        &format!("on_failure_callback: {{webhook: \"{url}\"}}\ntasks: [{{task_id: a, operator: bash, bash_command: exit 3}}]\n"),
    );
    let server = installation.start().await;
    let listed = async |state: &str| {
        eventually(&format!("a callback that is {state}"), || async {
            let found = installation.json(&["callbacks", "list", "fails", "one", "--state", state]).await;
            found.as_array().unwrap().first().cloned()
        })
        .await
    };
    installation.json(&["dags", "trigger", "fails", "--run-id", "one"]).await;
    let refused = Asked::accept(&listener).await;
    let key = refused.key.clone();
    refused.answer_with("404 Not Found").await;

    let failed = listed("failed").await;
    assert_eq!((&failed["receiver"], &failed["notifier"]), (&"127.0.0.1".into(), &"webhook".into()), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains("answered 404 Not Found"), "{failed}");
    assert!(!failed.to_string().contains("s3cret"), "{failed}");
    let retried = installation.json(&["callbacks", "retry", "--failed", "--dag-id", "fails"]).await;
    assert_eq!(retried[0]["id"], failed["id"]);
    let again = Asked::accept(&listener).await;
    assert_eq!(again.key, key, "the same callback");
    again.answer().await;

    assert_eq!(listed("delivered").await["id"], failed["id"]);
    let output = installation.run(&["callbacks", "retry", failed["id"].as_str().unwrap()]).await;
    assert!(!output.status.success(), "it was delivered");
    assert!(String::from_utf8_lossy(&output.stderr).contains("was delivered"));
    assert!(server.stop().await);
}

/// A server whose links do not change with the port that it happens to get.
fn with_base_url(installation: &Installation) -> tokio::process::Command {
    let mut command = installation.command(&["standalone", "--port", "0"]);
    command.env("UPDRAFT_LOG", "warn").env("UPDRAFT_BASE_URL", "http://updraft.example");
    command
}

/// Makes a certificate of its own, and takes mail over STARTTLS from whoever signs in. Prints its port, then each message.
const MAIL_SERVER: &str = r"
import asyncio, datetime, email, email.policy, ipaddress, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

folder, login, password = sys.argv[1:]
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'localhost')])
now = datetime.datetime.now(datetime.timezone.utc)
certificate = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName('localhost')]), critical=False)
    .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    .sign(key, hashes.SHA256())
)
pem = serialization.Encoding.PEM
open(folder + '/cert.pem', 'wb').write(certificate.public_bytes(pem))
open(folder + '/key.pem', 'wb').write(
    key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')

class Handler:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {'to': envelope.rcpt_tos, 'from': envelope.mail_from, 'subject': str(message['subject']), 'tls': session.ssl is not None}
        print(json.dumps(told), flush=True)
        return '250 OK'

def check(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == login.encode() and data.password == password.encode(), handled=False)

async def main():
    make = lambda: SMTP(Handler(), hostname='localhost', tls_context=context, require_starttls=True,
                        authenticator=check, auth_required=True)
    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
";

/// A program of the Python environment of the tests; see `tests/requirements.txt`.
pub fn python() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = std::env::var_os("UPDRAFT_TEST_VENV").map_or_else(|| repository.join(".venv"), PathBuf::from);
    let python = environment.join("bin/python");
    assert!(python.is_file(), "{} is missing: `make venv` installs it", python.display());
    python
}

/// Ends with its test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn mail_goes_over_tls_with_a_password_and_fails_to_a_server_that_nobody_vouches_for() {
    let installation = Installation::new(Backend::Sqlite).await;
    let folder = installation.path().to_str().unwrap();
    let mut child = Command::new(python())
        .args(["-c", MAIL_SERVER, folder, "updraft", "s3cret"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python can be started");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _server = Ending(child);
    let port = lines.next().expect("it says where it listens").unwrap();
    let file = installation.path().join("mails.yaml");
    let dag = "default_args: {email: ops@example.com}\ntasks: [{task_id: a, operator: bash, bash_command: exit 1}]\n";
    std::fs::write(&file, dag).unwrap();
    let test = |certificates: Option<PathBuf>| {
        let mut command = installation.command(&["dags", "test", file.to_str().unwrap()]);
        command
            .env("UPDRAFT_SMTP_HOST", "localhost")
            .env("UPDRAFT_SMTP_PORT", &port)
            .env("UPDRAFT_SMTP_LOGIN", "updraft")
            .env("UPDRAFT_SMTP_PASSWORD", "s3cret")
            .env("UPDRAFT_SMTP_FROM", "updraft@example.com");
        if let Some(certificates) = certificates {
            command.env("SSL_CERT_FILE", certificates);
        }
        command
    };

    let stranger = test(None).output().await.unwrap();
    let known = test(Some(installation.path().join("cert.pem"))).output().await.unwrap();

    assert_eq!((stranger.status.code(), known.status.code()), (Some(1), Some(1)), "the run fails, as it should");
    let told: serde_json::Value = serde_json::from_str(&lines.next().expect("a mail arrives").unwrap()).unwrap();
    assert_eq!(told["to"], serde_json::json!(["ops@example.com"]));
    assert_eq!(told["from"], "updraft@example.com");
    assert_eq!(told["subject"], "Task `a` of `mails` failed");
    assert_eq!(told["tls"], true);
}

#[tokio::test]
async fn the_example_tells_what_it_says_that_it_tells() {
    let installation = Installation::new(Backend::Sqlite).await;
    let told = installation.path().join("told");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/examples/callbacks.yaml");
    let conf = serde_json::json!({ "told": told, "seconds": 0 }).to_string();

    let output = installation.run(&["dags", "test", example.to_str().unwrap(), "--conf", &conf]).await;

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = std::fs::read_to_string(&told).unwrap();
    let mut lines: Vec<&str> = told.lines().collect();
    lines.sort_unstable();
    let [failed, done, skipped, began] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(*failed, "flaky, try 1, the command ended with exit code 1");
    assert!(done.starts_with("manual__") && done.ends_with(" succeeded"), "{done}");
    assert_eq!(*skipped, "not_today was skipped, the command ended with exit code 99");
    assert_eq!(*began, "slow begins");
}

#[tokio::test]
async fn a_dag_that_needs_a_mail_server_is_told_that_there_is_none() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("mails.yaml", "on_failure_callback: {email: a@example.com}\ntasks: []\n");

    let without = installation.run(&["dags", "validate"]).await;
    std::fs::write(installation.path().join("updraft.toml"), "[smtp]\nhost = 'mail.example.com'\n").unwrap();
    let with = installation.run(&["dags", "validate"]).await;

    assert!(without.status.success(), "it is no mistake of the file");
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(said.contains("callbacks of DAG `mails` through `email` will fail: no mail server is set up"), "{said}");
    assert!(with.stderr.is_empty(), "{}", String::from_utf8_lossy(&with.stderr));
}
