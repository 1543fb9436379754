//! The whole pipeline in a bucket of moto's server, and Delta tables read back by the `deltalake` of Python.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use operators::location::S3;
use serde_json::{Value, json};

use crate::context::{context, run, try_run};
use crate::lake::{Params, run_pipeline};

/// The Python environment with `tests/requirements.txt`.
fn python_tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let venv = std::env::var_os("UPDRAFT_TEST_VENV").map_or_else(|| root.join(".venv"), PathBuf::from);
    let tool = venv.join("bin").join(name);
    assert!(
        tool.exists(),
        "{} is missing: `make test` installs it, or type \
         `python3 -m venv .venv && .venv/bin/pip install -r tests/requirements.txt`",
        tool.display()
    );
    tool
}

/// An S3 server that ends with the test.
struct Moto {
    process: Child,
    endpoint: String,
}

impl Moto {
    fn start() -> Moto {
        let mut process = Command::new(python_tool("moto_server"))
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let endpoint = loop {
            let line = lines.next().expect("moto's server ended before it listened").unwrap();
            if let Some((_, rest)) = line.split_once("Running on ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        // The server must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Moto { process, endpoint }
    }

    fn s3(&self) -> S3 {
        S3::with_endpoint(&self.endpoint, "test", "test")
    }

    fn python(&self, code: &str) -> String {
        python(code, &[("AWS_ENDPOINT_URL", self.endpoint.as_str())])
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn python(code: &str, env: &[(&str, &str)]) -> String {
    let output = Command::new(python_tool("python"))
        .args(["-c", code])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
        .envs([("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ALLOW_HTTP", "true")])
        .envs(env.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_pipeline_in_a_bucket() {
    let moto = Moto::start();
    moto.python("import boto3; boto3.client('s3').create_bucket(Bucket='lake-bucket')");
    let home = tempfile::tempdir().unwrap();
    let s3 = moto.s3();
    let params = |rows, lake| Params { lake, rows, ..Params::default() };
    let ctx = context(home.path());
    let first = run_pipeline(&params(60, "s3://lake-bucket/some/lake"), &ctx, &s3).await;
    assert_eq!(first["clean_pin"]["files_read"], 60);
    let again = run_pipeline(&params(40, "s3://lake-bucket/some/lake"), &ctx, &s3).await;
    assert_eq!(again["clean_pin"]["rows_written"], 40, "objects of the first run are gone");
    assert_eq!(again["clean_pin"]["version"], 1);
    let local = run_pipeline(&params(40, "lake"), &ctx, &s3).await;
    for task in ["task4", "task5", "task7", "task9", "task11"] {
        assert_eq!(again[task]["rows"], local[task]["rows"], "{task}");
    }
    let rows = moto.python(
        "import deltalake; t = deltalake.DeltaTable('s3://lake-bucket/some/lake/clean_geo'); \
         print(t.version(), sum(a['num_records'] for a in t.get_add_actions(flatten=True).to_pylist()) \
         if hasattr(t.get_add_actions(flatten=True), 'to_pylist') else t.count())",
    );
    assert_eq!(rows, "1 40");
    let csv = moto.python(
        "import boto3; print(boto3.client('s3').get_object(Bucket='lake-bucket', \
         Key='some/lake/answers/task9.csv')['Body'].read().decode().splitlines()[0])",
    );
    assert_eq!(csv, "post_year,number_users_joined");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let moto = Moto::start();
    let home = tempfile::tempdir().unwrap();
    let args = json!({ "sink": "s3://no-such-bucket/lake", "rows": 2 });
    let error = try_run("emulation", args, &context(home.path()), &moto.s3()).await.unwrap_err().to_string();
    assert_eq!(error, "the bucket of s3://no-such-bucket/lake/topics does not exist");
}

#[tokio::test]
async fn python_reads_what_clean_writes() {
    let home = tempfile::tempdir().unwrap();
    let lines = r#"{"i": 1, "at": "2018-03-04T05:06:07", "x": 1.5, "y": 2.5}
{"i": 2, "at": "x", "x": null, "y": 2.5}"#;
    std::fs::write(home.path().join("in.jsonl"), lines).unwrap();
    let rules = json!([
        { "cast": { "column": "i", "to": "int" } },
        { "timestamp": { "column": "at" } },
        { "array": { "into": "place", "of": ["x", "y"] } }
    ]);
    run("clean", json!({ "input": "in.jsonl", "output": "out", "rules": rules }), home.path()).await;
    let path = home.path().join("out").display().to_string();
    let code = format!(
        "import deltalake, json; t = deltalake.DeltaTable({path:?}); \
         print(json.dumps([[f.name, f.type.type if hasattr(f.type, 'element_type') is False else 'array'] for f in t.schema().fields]))"
    );
    let schema: Value = serde_json::from_str(&python(&code, &[])).unwrap();
    let expected = json!([["at", "timestamp"], ["i", "integer"], ["x", "double"], ["y", "double"], ["place", "array"]]);
    assert_eq!(schema, expected);
}
