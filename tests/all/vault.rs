//! A server that finds the secrets of its tasks in Vault, and keeps its token there from ending; OpenBao plays Vault.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::server::{Backend, Installation, Server, eventually};

/// Whoever takes a port between our finding it free and the server makes it fail; then there is another.
const STARTS_MAX: u32 = 5;

/// How long the token of the test lives unless it is renewed, in seconds.
const LIFE: u64 = 20;

/// A server as people try it out: open, with the KV engine at `secret` and the root token `root`. It ends with this value.
struct DevServer {
    child: Child,
    url: String,
}

impl DevServer {
    fn start() -> DevServer {
        (0..STARTS_MAX).find_map(|_| DevServer::begin()).expect("`bao server -dev` starts")
    }

    fn begin() -> Option<DevServer> {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new(program())
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={address}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`bao` can be started; `make venv` installs it");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if !lines.any(|line| line.is_ok_and(|line| line.contains("OpenBao server started"))) {
            // It has ended by itself.
            let _ = child.wait();
            return None;
        }
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(DevServer { child, url: format!("http://{address}") })
    }

    /// What its own client is answered.
    fn ask(&self, args: &[&str]) -> Value {
        let mut command = Command::new(program());
        command.args(args).env("BAO_ADDR", &self.url).env("BAO_TOKEN", "root").env("BAO_FORMAT", "json");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let environment = std::env::var_os("UPDRAFT_TEST_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv"), PathBuf::from);
    environment.join("bin/bao")
}

const USES: &str = "
tasks:
  - task_id: uses
    operator: bash
    bash_command: echo host {{ conn.my_db.host }} password \"$PASSWORD\"
    env: {PASSWORD: \"{{ conn.my_db.password }}\"}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_its_token_for_the_tasks_that_come_later() {
    let bao = DevServer::start();
    bao.ask(&["write", "sys/policies/acl/updraft", "policy=path \"secret/data/*\" { capabilities = [\"read\"] }"]);
    bao.ask(&["kv", "put", "-mount=secret", "connections/my_db", "conn_uri=postgres://me:p4ss-w0rd@vaulted/sales"]);
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("uses.yaml", USES);
    assert!(installation.run(&["db", "migrate"]).await.status.success());
    // Its life begins as late as possible.
    let made = bao.ask(&["token", "create", "-policy=updraft", &format!("-period={LIFE}s")]);
    let accessor = made["auth"]["accessor"].as_str().unwrap();
    let mut command = installation.command(&["standalone", "--port", "0"]);
    command.env("UPDRAFT_SECRETS_BACKENDS", format!("vault:{}/secret", bao.url)).env("UPDRAFT_LOG", "warn");
    command.env("UPDRAFT_VAULT_TOKEN", made["auth"]["client_token"].as_str().unwrap());
    let server = Server::start(command).await;

    // Nobody has asked for a secret yet.
    eventually("a token that has outlived itself", || async {
        let known = bao.ask(&["token", "lookup", "-accessor", accessor])["data"].clone();
        let renewed = known["last_renewal_time"].as_u64()?;
        (renewed > known["creation_time"].as_u64()? + LIFE).then_some(())
    })
    .await;
    let run = installation.run(&["dags", "trigger", "uses", "--run-id", "one", "--wait"]).await;

    let lines = installation.json(&["tasks", "logs", "uses", "one", "uses"]).await.to_string();
    assert_eq!(run.status.code(), Some(0), "{lines}");
    assert!(lines.contains("host vaulted password ***") && !lines.contains("p4ss-w0rd"), "{lines}");
    assert!(server.stop().await);
}
