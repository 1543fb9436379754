//! A server that speaks S3, from the Python package moto; it ends with the value that stands for it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use operators::location::{Location, S3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A running server.
pub struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    /// Starts one on a free port of this machine.
    pub fn start() -> Moto {
        let mut child = Command::new(crate::python::tool("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server can be started");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let endpoint = lines
            .find_map(|line| Some(line.ok()?.split_once("Running on ")?.1.trim().to_owned()))
            .expect("moto_server says where it listens");
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Moto { child, endpoint }
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How to reach it.
    pub fn settings(&self) -> S3 {
        S3::from_variables(self.variables().map(|(name, value)| (name.to_owned(), value)))
    }

    /// The same, as the variables of a process.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }

    /// Makes a bucket. The object store cannot, so the request is written by hand; moto looks at no signature.
    pub async fn make_bucket(&self, name: &str) {
        self.put_nothing(name).await;
    }

    /// Marks a folder as browsers of buckets do; the object store knows no such keys.
    pub async fn mark_folder(&self, bucket: &str, folder: &str) {
        self.put_nothing(&format!("{bucket}/{folder}/")).await;
    }

    async fn put_nothing(&self, path: &str) {
        let address = self.endpoint.strip_prefix("http://").unwrap();
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "PUT /{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/s3/aws4_request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
    }

    /// Puts the files of a folder below a location.
    pub async fn upload(&self, location: &str, folder: &Path) {
        let opened = Location::parse(location, "/".as_ref()).unwrap().open(&self.settings()).unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let key = opened.prefix.clone().join(path.file_name().unwrap().to_str().unwrap());
            opened.store.put(&key, std::fs::read(&path).unwrap().into()).await.unwrap();
        }
    }

    /// The keys below a location.
    pub async fn keys(&self, location: &str) -> Vec<String> {
        let opened = Location::parse(location, "/".as_ref()).unwrap().open(&self.settings()).unwrap();
        let found = opened.store.list(Some(&opened.prefix)).map_ok(|object| object.location.to_string());
        found.try_collect().await.unwrap()
    }

    /// The keys and contents below a location, sorted by key.
    pub async fn objects(&self, location: &str) -> Vec<(String, String)> {
        let opened = Location::parse(location, "/".as_ref()).unwrap().open(&self.settings()).unwrap();
        let found: Vec<_> = opened.store.list(Some(&opened.prefix)).try_collect().await.unwrap();
        let mut objects = Vec::new();
        for object in found {
            let content = opened.store.get(&object.location).await.unwrap().bytes().await.unwrap();
            objects.push((object.location.to_string(), String::from_utf8(content.to_vec()).unwrap()));
        }
        objects.sort();
        objects
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
