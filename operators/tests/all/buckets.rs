//! The `s3` operator and its sensor against moto's server.

use std::path::Path;
use std::sync::Arc;

use operators::location::S3;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{Outcome, TaskContext, TaskError, Verdict};
use serde_json::{Value, json};

use crate::context::{context, log_text, nowhere, try_run};
use crate::moto::Moto;
use crate::support::Connections;

struct World {
    moto: Moto,
    home: tempfile::TempDir,
}

impl World {
    async fn with_bucket(name: &str) -> World {
        let moto = Moto::start();
        moto.make_bucket(name).await;
        World { moto, home: tempfile::tempdir().unwrap() }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    async fn run(&self, args: Value) -> Result<Value, TaskError> {
        self.run_as("s3", args).await
    }

    async fn run_as(&self, operator: &str, args: Value) -> Result<Value, TaskError> {
        try_run(operator, args, &context(self.home()), &self.moto.settings()).await
    }

    async fn put(&self, key: &str, text: &str) {
        let args = json!({ "action": "put", "target": format!("s3://bee/{key}"), "data": text });
        self.run(args).await.unwrap();
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.home().join(path)).unwrap()
    }
}

fn object(key: &str, content: &str) -> (String, String) {
    (key.to_owned(), content.to_owned())
}

#[tokio::test]
async fn objects_are_put_fetched_copied_moved_and_deleted() {
    let world = World::with_bucket("bee").await;
    let odd = "a b/ü+[1].txt";
    world.put(odd, "hello").await;
    let got =
        world.run(json!({ "action": "get", "source": odd, "source_bucket": "bee", "target": "in/got.txt" })).await;
    assert_eq!(got.unwrap()["bytes"], 5);
    assert_eq!(world.read("in/got.txt"), "hello");
    world.run(json!({ "action": "get", "source": format!("s3://bee/{odd}"), "target": "in" })).await.unwrap();
    assert_eq!(world.read("in/ü+[1].txt"), "hello");

    world.moto.make_bucket("sea").await;
    let copy = json!({ "action": "copy", "source": format!("s3://bee/{odd}"), "target": "s3://sea/d/ë.txt" });
    world.run(copy.clone()).await.unwrap();
    let mut once = copy;
    once["replace"] = json!(false);
    let refused = world.run(once).await.unwrap_err();
    assert_eq!((refused.verdict, refused.to_string().contains("exists already")), (Verdict::Fail, true), "{refused}");
    world.run(json!({ "action": "move", "source": "s3://sea/d/ë.txt", "target": "s3://sea/e.txt" })).await.unwrap();
    assert_eq!(world.moto.objects("s3://sea").await, [object("e.txt", "hello")]);

    let gone = world.run(json!({ "action": "delete", "bucket": "sea", "keys": ["e.txt", "s3://bee/not-there"] })).await;
    assert_eq!(gone.unwrap(), json!({ "deleted": 2 }));
    assert_eq!(world.moto.objects("s3://sea").await, []);
    let missing = world.run(json!({ "action": "get", "source": "s3://bee/nothing", "target": "x" })).await.unwrap_err();
    assert_eq!((missing.verdict, missing.to_string()), (Verdict::Fail, "s3://bee/nothing is not there".to_owned()));
}

#[tokio::test]
async fn keys_and_folders_are_listed_by_what_they_begin_with() {
    let world = World::with_bucket("bee").await;
    for key in ["logs/2024-01/a", "logs/2024-02/b", "logs/2025-01/c", "logs/d", "other"] {
        world.put(key, "x").await;
    }
    let list = async |more: Value| {
        let mut args = json!({ "action": "list", "bucket": "bee" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.run(args).await
    };
    assert_eq!(list(json!({ "prefix": "logs/2024" })).await.unwrap(), json!(["logs/2024-01/a", "logs/2024-02/b"]));
    assert_eq!(list(json!({ "prefix": "logs/", "delimiter": "/" })).await.unwrap(), json!(["logs/d"]));
    let folders = list(json!({ "action": "list_prefixes", "prefix": "logs/" })).await.unwrap();
    assert_eq!(folders, json!(["logs/2024-01/", "logs/2024-02/", "logs/2025-01/"]));
    let many = list(json!({ "keys_max": 2 })).await.unwrap_err();
    assert!(many.to_string().contains("more than 2"), "{many}");
    let nowhere = list(json!({ "bucket": "nothing" })).await.unwrap_err();
    assert!(nowhere.to_string().starts_with("s3://nothing/"), "{nowhere}");
}

#[tokio::test]
async fn a_prefix_is_deleted_only_when_it_says_something() {
    let world = World::with_bucket("bee").await;
    for key in ["a/1", "a/2/3", "ab", "c"] {
        world.put(key, "").await;
    }
    let deleted = world.run(json!({ "action": "delete", "bucket": "bee", "prefix": "a/" })).await.unwrap();
    assert_eq!(deleted, json!({ "deleted": 2 }));
    assert_eq!(world.moto.keys("s3://bee").await, ["ab", "c"]);
    let whole = world.run(json!({ "action": "delete", "bucket": "bee", "prefix": "" })).await.unwrap_err();
    assert!(whole.to_string().contains("every object of the bucket"), "{whole}");
    assert_eq!(world.moto.keys("s3://bee").await, ["ab", "c"]);
}

#[tokio::test]
async fn buckets_are_made_once_and_deleted_when_empty_or_by_force() {
    let world = World::with_bucket("bee").await;
    let bucket = async |more: Value| {
        let mut args = json!({ "bucket": "new-one" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.run(args).await
    };
    let made = bucket(json!({ "action": "create_bucket", "region": "eu-west-1" })).await.unwrap();
    assert_eq!(made["created"], true);
    let again = bucket(json!({ "action": "create_bucket", "region": "eu-west-1" })).await.unwrap();
    assert_eq!(again["created"], false);
    world.run(json!({ "action": "put", "target": "s3://new-one/a", "data": "x" })).await.unwrap();
    let full = bucket(json!({ "action": "delete_bucket" })).await.unwrap_err();
    assert!(full.to_string().contains("`force: true`"), "{full}");
    let gone = bucket(json!({ "action": "delete_bucket", "force": true })).await.unwrap();
    assert_eq!((&gone["deleted"], &gone["objects"]), (&json!(true), &json!(1)));
    assert_eq!(bucket(json!({ "action": "delete_bucket" })).await.unwrap()["deleted"], false);
}

#[tokio::test]
async fn folders_and_prefixes_are_kept_alike() {
    let world = World::with_bucket("bee").await;
    world.file("out/a.txt", "a");
    world.file("out/deep/b.txt", "b");
    let up = json!({ "action": "sync", "source": "out", "target": "s3://bee/up", "delete_extra": true });
    let first = world.run(up.clone()).await.unwrap();
    assert_eq!((&first["copied"], &first["bytes"]), (&json!(2), &json!(2)));
    assert_eq!(world.run(up.clone()).await.unwrap()["unchanged"], 2);

    world.file("out/a.txt", "longer");
    std::fs::remove_file(world.home().join("out/deep/b.txt")).unwrap();
    world.put("upper", "not below `up`").await;
    let changed = world.run(up.clone()).await.unwrap();
    assert_eq!((&changed["copied"], &changed["deleted"]), (&json!(1), &json!(1)));
    assert_eq!(world.moto.objects("s3://bee").await, [object("up/a.txt", "longer"), object("upper", "not below `up`")]);

    let across = json!({ "action": "sync", "source": "s3://bee/up", "target": "s3://bee/across" });
    assert_eq!(world.run(across).await.unwrap()["copied"], 1);
    let down = json!({ "action": "sync", "source": "s3://bee/across", "target": "down" });
    assert_eq!(world.run(down.clone()).await.unwrap()["copied"], 1);
    assert_eq!(world.run(down).await.unwrap()["unchanged"], 1);
    assert_eq!(world.read("down/a.txt"), "longer");

    std::fs::remove_file(world.home().join("out/a.txt")).unwrap();
    let emptied = world.run(up).await.unwrap_err();
    assert!(emptied.to_string().contains("is empty, so all of s3://bee/up would be deleted"), "{emptied}");
    let within = world.run(json!({ "action": "sync", "source": "s3://bee/up", "target": "s3://bee/up/copy" })).await;
    assert!(within.unwrap_err().to_string().contains("is within the other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_means_what_it_says_whatever_signs_it_holds() {
    let world = World::with_bucket("bee").await;
    for (key, content) in [("in/00%3A00/a#1~.jsonl", "{\"n\": 7}\n"), ("in/00%3A00/b?.csv", "n\n8\n")] {
        world.put(key, content).await;
        let seen = json!({ "filepath": format!("s3://bee/{key}").replace('?', "[?]"), "timeout": 0 });
        assert!(world.run_as("file_sensor", seen).await.is_ok(), "{key}");
    }
    let ask = async |path: &str| {
        let args = json!({ "tables": { "t": path }, "sql": "SELECT CAST(n AS INT) AS n FROM t" });
        world.run_as("query", args).await.unwrap()["rows"].clone()
    };
    assert_eq!(ask("s3://bee/in/00%3A00/a#1~.jsonl").await, json!([[7]]));
    assert_eq!(ask("s3://bee/in/00%3A00/*.jsonl").await, json!([[7]]));
    assert_eq!(ask("s3://bee/in/00%3A00/*.csv").await, json!([[8]]));

    let args = json!({ "input": "s3://bee/in/00%3A00/*.csv", "output": "s3://bee/out#1", "rules": [] });
    let refused = world.run_as("clean", args).await.unwrap_err();
    assert!(refused.to_string().contains("`s3://bee/out#1` cannot be the folder of a Delta table"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_folders_are_no_files() {
    let world = World::with_bucket("bee").await;
    world.moto.mark_folder("bee", "in").await;
    world.moto.mark_folder("bee", "in/deep").await;
    for filepath in ["s3://bee/in", "s3://bee/in/*"] {
        let seen = world.run_as("file_sensor", json!({ "filepath": filepath, "timeout": 0 })).await;
        assert!(seen.is_err(), "there is nothing in {filepath}");
    }
    world.put("read/deep/a.csv", "n\n7\n").await;
    world.moto.mark_folder("bee", "read").await;
    world.moto.mark_folder("bee", "read/deep").await;
    let question = json!({ "tables": { "t": "s3://bee/read" }, "sql": "SELECT CAST(n AS INT) AS n FROM t" });
    assert_eq!(world.run_as("query", question).await.unwrap()["rows"], json!([[7]]));

    world.put("in/deep/a.txt", "a").await;
    world.put("in/deep/nothing.txt", "").await;
    let down = json!({ "action": "sync", "source": "s3://bee/in", "target": "down" });
    assert_eq!(world.run(down).await.unwrap()["copied"], 2);
    assert_eq!((world.read("down/deep/a.txt"), world.read("down/deep/nothing.txt")), ("a".to_owned(), String::new()));
    let across = json!({ "action": "sync", "source": "s3://bee/in", "target": "s3://bee/across" });
    assert_eq!(world.run(across).await.unwrap()["copied"], 2);
    let up = json!({ "action": "sync", "source": "down", "target": "s3://bee/in", "delete_extra": true });
    assert_eq!(world.run(up).await.unwrap()["deleted"], 0);
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_comes_back_whole() {
    let world = World::with_bucket("bee").await;
    let content: String = (0..2_500_000).map(|number| format!("{number:07}\n")).collect();
    world.file("large.txt", &content);
    let put =
        json!({ "action": "put", "source": "large.txt", "target": "s3://bee/large.txt", "content_type": "text/plain" });
    assert_eq!(world.run(put).await.unwrap()["bytes"], content.len());
    world.run(json!({ "action": "get", "source": "s3://bee/large.txt", "target": "back.txt" })).await.unwrap();
    assert!(world.read("back.txt") == content, "it is another file");
}

#[tokio::test]
async fn a_transfer_that_is_cancelled_leaves_nothing() {
    let world = World::with_bucket("bee").await;
    world.file("large.bin", &"x".repeat(20_000_000));
    let ctx = context(world.home());
    ctx.cancelled.cancel();
    let put = json!({ "action": "put", "source": "large.bin", "target": "s3://bee/large.bin" });
    let stopped = try_run("s3", put, &ctx, &world.moto.settings()).await.unwrap_err();
    assert_eq!(stopped.verdict, Verdict::Cancelled);
    assert_eq!(world.moto.objects("s3://bee").await, []);
    // Nothing there answers, and nobody waits for it.
    let args = json!({ "action": "create_bucket", "bucket": "x" });
    let away = try_run("s3", args, &ctx, &nowhere()).await.unwrap_err();
    assert_eq!(away.verdict, Verdict::Cancelled);
}

/// A bucket that takes every question and answers none.
#[tokio::test]
async fn whatever_it_is_at_a_task_stops_when_it_is_told_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let called = Arc::new(tokio::sync::Notify::new());
    let callers = Arc::clone(&called);
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            open.push(listener.accept().await.unwrap());
            callers.notify_one();
        }
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("out")).unwrap();
    std::fs::write(home.path().join("out/large.bin"), "x".repeat(20_000_000)).unwrap();
    let silent = S3::with_endpoint(&endpoint, "test", "test");
    for args in [
        json!({ "action": "list", "bucket": "bee" }),
        json!({ "action": "get", "source": "s3://bee/a", "target": "a" }),
        json!({ "action": "put", "source": "out/large.bin", "target": "s3://bee/large.bin" }),
        json!({ "action": "copy", "source": "s3://bee/a", "target": "s3://bee/b" }),
        json!({ "action": "delete", "bucket": "bee", "prefix": "in/" }),
        json!({ "action": "sync", "source": "out", "target": "s3://bee/out" }),
        json!({ "action": "sync", "source": "s3://bee/out", "target": "back" }),
    ] {
        let ctx = context(home.path());
        let works = try_run("s3", args.clone(), &ctx, &silent);
        let cancels = async {
            called.notified().await;
            ctx.cancelled.cancel();
        };
        let (stopped, ()) = tokio::join!(works, cancels);
        assert_eq!(stopped.unwrap_err().verdict, Verdict::Cancelled, "{args}");
    }
    assert!(!home.path().join("a").exists());
}

#[tokio::test]
async fn a_signed_address_needs_no_keys_and_is_not_in_the_log() {
    let world = World::with_bucket("bee").await;
    world.put("a.txt", "for you").await;
    let url = world.run(json!({ "action": "presign", "source": "s3://bee/a.txt", "expires_in": "5m" })).await.unwrap();
    let url = url.as_str().unwrap();
    let fetched = world.run_as("http", json!({ "url": url })).await.unwrap();
    assert_eq!(fetched, "for you");
    let log = log_text(world.home());
    assert!(url.contains("X-Amz-Signature") && !log.contains("X-Amz-Signature"), "{log}");
    let long =
        world.run(json!({ "action": "presign", "source": "s3://bee/a.txt", "expires_in": "8d" })).await.unwrap_err();
    assert_eq!(long.to_string(), "`expires_in` can be seven days at most");
}

#[tokio::test]
async fn a_connection_reaches_a_server_of_its_own() {
    let world = World::with_bucket("bee").await;
    let mut connection = Connection::new("minio", "aws");
    connection.login = Some("test".to_owned());
    connection.password = Some(Secret::new("test"));
    connection.extra = json!({ "endpoint_url": world.moto.endpoint() }).as_object().unwrap().clone();
    let ctx = TaskContext { secrets: Arc::new(Connections(vec![connection])), ..context(world.home()) };
    let put = |conn_id: &str| json!({ "action": "put", "target": "s3://bee/a", "data": "x", "conn_id": conn_id });
    try_run("s3", put("minio"), &ctx, &nowhere()).await.unwrap();
    assert_eq!(world.moto.objects("s3://bee").await, [object("a", "x")]);
    // As in Airflow, the default connection need not be there.
    try_run("s3", put("aws_default"), &ctx, &world.moto.settings()).await.unwrap();
    let unknown = try_run("s3", put("nobody"), &ctx, &nowhere()).await.unwrap_err();
    assert!(unknown.to_string().starts_with("there is no connection `nobody`"), "{unknown}");
}

#[tokio::test]
async fn a_sensor_sees_keys_patterns_and_sizes() {
    let world = World::with_bucket("bee").await;
    world.put("in/2026/a.csv", "abc").await;
    let settings: S3 = world.moto.settings();
    let seen = async |more: Value| {
        let mut args = json!({ "bucket": "bee", "timeout": 0, "soft_fail": true });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let registry = operators::registry_with(&settings).unwrap();
        let operator = registry.find("s3_key_sensor").unwrap();
        let args = args.as_object().unwrap().clone();
        assert_eq!(operator.check(&args), []);
        match operator.execute(args, &context(world.home())).await.unwrap() {
            Outcome::Success { .. } => true,
            Outcome::Skipped { .. } => false,
        }
    };
    assert!(seen(json!({ "keys": "in/2026/a.csv" })).await);
    assert!(!seen(json!({ "keys": "in/2026" })).await, "a folder is no object");
    assert!(!seen(json!({ "keys": ["in/2026/a.csv", "in/2026/b.csv"] })).await, "all must be there");
    assert!(!seen(json!({ "keys": "in/2026/a.csv", "size_min": 4 })).await);
    assert!(seen(json!({ "keys": "in/*.csv", "wildcard_match": true, "size_min": 3 })).await);
    assert!(!seen(json!({ "keys": "in/*.txt", "wildcard_match": true })).await);
    assert!(seen(json!({ "keys": r"in/\d{4}/", "use_regex": true })).await);
    assert!(!seen(json!({ "keys": r"\d{4}/", "use_regex": true })).await, "from the beginning");
}

fn complaints(operator: &str, args: &Value) -> Vec<String> {
    let registry = operators::registry_with(&nowhere()).unwrap();
    let problems = registry.find(operator).unwrap().check(args.as_object().unwrap());
    problems.into_iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect()
}

#[test]
fn mistakes_are_found_while_the_dag_file_is_loaded() {
    for (args, expected) in [
        (json!({ "action": "get", "source": "s3://b/a" }), ": `get` needs `target`"),
        (json!({ "action": "list", "bucket": "b", "force": true }), "/force: `force` says nothing to `list`"),
        (json!({ "action": "put", "target": "s3://b/a" }), ": `put` needs one of `source` and `data`"),
        (json!({ "action": "delete", "bucket": "b" }), ": `delete` needs one of `keys` and `prefix`"),
        (
            json!({ "action": "delete", "bucket": "b", "prefix": "/" }),
            "/prefix: an empty `prefix` means every object of the bucket",
        ),
    ] {
        assert_eq!(complaints("s3", &args), [expected]);
    }
    assert_eq!(complaints("s3", &json!({ "action": "list", "bucket": "b", "replace": false })), [""; 0]);
    assert_eq!(
        complaints("s3_key_sensor", &json!({ "keys": "a", "wildcard_match": true, "use_regex": true })),
        [
            "/use_regex: `wildcard_match` and `use_regex` exclude each other",
            "/keys: `a` names no bucket; write s3://bucket/key, or the bucket beside it",
        ]
    );
}

/// Files of dag-factory name Airflow's classes, with Airflow's names for arguments.
#[test]
fn airflows_classes_are_read_by_their_own_names() {
    use scheduler::dag::spec::{SourceFile, load};
    const FILE: &str = r#"
tasks:
- {task_id: a, operator: airflow.providers.amazon.aws.operators.s3.S3CopyObjectOperator, source_bucket_key: k, source_bucket_name: b, dest_bucket_key: "s3://c/d"}
- {task_id: b, operator: airflow.providers.amazon.aws.operators.s3.S3DeleteBucketOperator, bucket_name: b, force_delete: true, aws_conn_id: mine}
- {task_id: c, operator: airflow.providers.amazon.aws.transfers.local_to_s3.LocalFilesystemToS3Operator, filename: f, dest_key: k, dest_bucket: b, encrypt: true}
- {task_id: d, operator: airflow.providers.amazon.aws.sensors.s3.S3KeySensor, bucket_key: [k], bucket_name: b, deferrable: true, mode: reschedule}
- {task_id: e, operator: airflow.providers.http.operators.http.HttpOperator, endpoint: e, data: {a: 1}, tcp_keep_alive: true}
- {task_id: f, operator: airflow.providers.http.sensors.http.HttpSensor, endpoint: e, request_params: {a: 1}, http_conn_id: mine}
"#;
    let registry = operators::registry_with(&nowhere()).unwrap();
    let loaded = load(&SourceFile::new("dags/example.yaml", FILE), &registry);
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    let dag = &loaded.dags[0].dag;
    let task = |id: &str| dag.task(dag.find(id).unwrap());
    let args = |id: &str| Value::Object(task(id).args.clone());
    let aws = "aws_default";
    let copy = json!({ "action": "copy", "source": "k", "source_bucket": "b", "target": "s3://c/d", "conn_id": aws });
    assert_eq!(args("a"), copy);
    assert_eq!(args("b"), json!({ "action": "delete_bucket", "bucket": "b", "force": true, "conn_id": "mine" }));
    let put = json!({ "action": "put", "source": "f", "target": "k", "target_bucket": "b", "replace": false, "conn_id": aws });
    assert_eq!(args("c"), put);
    assert_eq!(task("d").operator, "s3_key_sensor");
    assert_eq!(args("d")["keys"], json!(["k"]));
    let post =
        json!({ "endpoint": "e", "data": { "a": 1 }, "conn_id": "http_default", "method": "POST", "returns": "text" });
    assert_eq!(args("e"), post);
    assert_eq!(args("f"), json!({ "endpoint": "e", "data": { "a": 1 }, "conn_id": "mine" }));

    for (keys, words) in [
        ("operator: HttpOperator, pagination_function: lib.f", "write `pagination`"),
        ("operator: HttpOperator, response_check_lambda: 'lambda r: True'", "no Python to call"),
        ("operator: S3KeySensor, bucket_key: 's3://b/k', check_fn: lib.f", "no Python to call"),
        (
            "operator: S3CreateObjectOperator, s3_key: 's3://b/k', data: x, acl_policy: public-read",
            "policy of the bucket",
        ),
    ] {
        let text = format!("tasks:\n- {{task_id: a, {keys}}}\n");
        let problems = load(&SourceFile::new("dags/example.yaml", &*text), &registry).problems;
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].help.as_ref().is_some_and(|help| help.contains(words)), "{problems:#?}");
    }
}
