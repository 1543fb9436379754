//! `docker` against a real engine: what runs, what is seen of it, and that it runs once whatever dies.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, Uri};
use operators::docker::Docker;
use operators::notifiers::Environment;
use operators::registry_with;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::{Outcome, TaskError, Verdict};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use uuid::Uuid;

use crate::bomb::Bomb;
use crate::context::nowhere;
use crate::image_registry::{ImageRegistry, LOGIN, PASSWORD};
use crate::podman::{IMAGE, Podman};
use crate::sql::{loaded, with_dag_file};
use crate::support::{Bench, Connections, Mined, return_value};
use crate::tls_gate::TlsGate;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

fn docker() -> Docker {
    Docker::new(Environment::default())
}

/// A container that runs `script`, with more arguments.
#[expect(clippy::needless_pass_by_value, reason = "it is written on the spot")]
fn args(podman: &Podman, script: &str, more: Value) -> Value {
    let mut args = json!({
        "image": IMAGE, "command": ["/bin/sh", "-c", script], "docker_url": podman.url(), "network_mode": "none",
    });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    args
}

/// Runs a container to its end, which an engine may be long in telling but must tell.
async fn run(podman: &Podman, bench: &Bench, script: &str, more: Value) -> Result<Outcome, TaskError> {
    let ended = tokio::time::timeout(PATIENCE, bench.run(&docker(), args(podman, script, more))).await;
    ended.unwrap_or_else(|_| panic!("the container does not end: {}", bench.log_text()))
}

/// A folder that containers see as `/gate`, in which they leave traces and wait for a sign.
struct Gate(tempfile::TempDir);

/// Leaves a trace, and waits for the sign.
const WAITS: &str = "trap 'exit 7' TERM; echo run >> /gate/ledger; echo begins; while ! [ -e /gate/open ]; do sleep 0.05; done; echo ends";

impl Gate {
    fn new() -> Gate {
        Gate(tempfile::tempdir().unwrap())
    }

    fn mount(&self) -> Value {
        json!({ "mounts": [format!("{}:/gate", self.0.path().display())] })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) {
        std::fs::write(self.path("open"), "").unwrap();
    }

    /// How often a container has begun.
    fn runs(&self) -> usize {
        std::fs::read_to_string(self.path("ledger")).unwrap_or_default().lines().count()
    }
}

async fn said(bench: &Bench, words: &str) {
    let waiting = async {
        while !bench.has_said(words) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{words} is not said: {}", bench.log_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_runs_with_what_it_is_given_and_its_last_line_is_the_answer() {
    let podman = Podman::start();
    let bench = with_dag_file();
    bench.file("dags/score.env", "# of the team\nREGION='eu west'\nDAY=never\n");
    let script = "echo $REGION $DAY $TOKEN $0 $1; pwd; id -u; echo oh >&2; echo data > $AIRFLOW_TMP_DIR/x; \
                  cat $AIRFLOW_TMP_DIR/x; echo last";
    let more = json!({
        "command": ["-c", script, "a", "b c"],
        "entrypoint": "/bin/sh",
        "environment": { "DAY": "2026-11-21", "N": 1 },
        "private_environment": { "TOKEN": "s3cret-token" },
        "env_file": "score.env",
        "working_dir": "/tmp",
        "user": 0,
        "mount_tmp_dir": true,
    });

    assert_eq!(return_value(run(&podman, &bench, "", more).await), "last");

    let log = bench.log_text();
    assert!(log.contains("eu west 2026-11-21 *** a b c\n/tmp\n0\n"), "{log}");
    assert!(log.contains("oh\n") && log.contains("data\n") && !log.contains("s3cret"), "{log}");
    let loggers: Vec<String> =
        bench.log().into_iter().filter(|line| line.event == "oh").map(|line| line.logger).collect();
    assert_eq!(loggers, ["stderr"]);
    assert_eq!((podman.containers().len(), podman.run(&["volume", "ls", "-q"]).as_str()), (0, ""), "all is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_in_the_log_while_the_container_runs_which_says_whose_it_is() {
    let podman = Podman::start();
    let bench = Bench::new();
    let gate = Gate::new();
    let mut more = gate.mount();
    more["labels"] = json!({ "team": "data" });
    more["mem_limit"] = json!("64m");
    let operator = docker();
    let running = bench.run(&operator, args(&podman, WAITS, more));
    let looking = async {
        said(&bench, "begins\n").await;
        let name = podman.containers().remove(0);
        assert!(name.starts_with("updraft-pipeline-task-1-"), "{name}");
        let about: Value = serde_json::from_str(&podman.run(&["inspect", &name])).unwrap();
        gate.open();
        about[0].clone()
    };

    let (ended, about) = tokio::join!(running, looking);

    assert_eq!(return_value(ended), "ends");
    let labels = &about["Config"]["Labels"];
    let shown = ["team", "updraft.dag_id", "updraft.run_id", "updraft.task_id", "updraft.try_number"];
    assert_eq!(shown.map(|label| labels[label].as_str().unwrap()), ["data", "pipeline", "manual__1", "task", "1"]);
    assert_eq!(about["HostConfig"]["Memory"], 64 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_decide_and_say_so() {
    let podman = Podman::start();
    let bench = Bench::new();
    let failed = run(&podman, &bench, "exit 3", json!({ "auto_remove": "success" })).await.unwrap_err();
    assert_eq!((failed.verdict, failed.exit_code), (Verdict::Retry, Some(3)));
    assert_eq!(failed.to_string(), "the container ended with exit code 3");
    assert_eq!(podman.containers().len(), 1, "with `success` what failed stays");

    let mut bench = Bench::new();
    bench.ctx.key.task_id = "another".to_owned();
    let skipped = run(&podman, &bench, "exit 4", json!({ "skip_on_exit_code": [4, 5] })).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped { reason: "the container ended with exit code 4".to_owned() });

    let all = run(&podman, &Bench::new(), "echo a; echo b", json!({ "xcom_all": true })).await;
    assert_eq!(return_value(all), json!(["a", "b"]));
    let read = run(&podman, &Bench::new(), "echo '{\"n\": 1}'", json!({ "output_processor": "json" })).await;
    assert_eq!(return_value(read), json!({ "n": 1 }));
    let silent = run(&podman, &Bench::new(), "echo oh >&2", json!({})).await;
    assert_eq!(return_value(silent), Value::Null);
    let terminal = run(&podman, &Bench::new(), "echo a; echo b >&2", json!({ "tty": true })).await;
    assert_eq!(return_value(terminal), "b");
}

/// A way to the engine on which a process may die: before a request gets there, and before its answer gets back. Whoever comes
/// after it comes the same way.
async fn mined_way(podman: &Podman, bomb: Bomb) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let socket = podman.socket();
    tokio::spawn(async move {
        // The client makes a connection of its own for each request.
        while let Ok((client, _)) = listener.accept().await {
            let (bomb, socket) = (bomb.clone(), socket.clone());
            tokio::spawn(async move {
                let bomb = if bomb.exploded.is_cancelled() { Bomb::dud() } else { bomb };
                bomb.moment().await;
                let engine = UnixStream::connect(socket).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_engine, mut to_engine) = engine.into_split();
                let there = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_engine).await });
                let mut first = vec![0; 4096];
                let read = from_engine.read(&mut first).await.unwrap();
                bomb.moment().await;
                if to_client.write_all(&first[..read]).await.is_ok() {
                    // Whoever dies takes no more answers.
                    let _ = tokio::io::copy(&mut from_engine, &mut to_client).await;
                }
                there.abort();
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_runs_one_container_whenever_the_process_dies() {
    let podman = Podman::start();
    for moment in 1.. {
        let gate = Gate::new();
        let mut bench = Bench::new();
        let kept = Arc::new(Mutex::new(None));
        let bomb = Bomb::after(moment);
        let args = |url: String| {
            let mut more = gate.mount();
            more["docker_url"] = url.into();
            args(&podman, "echo run >> /gate/ledger; echo done", more)
        };
        bench.ctx.checkpoint = Arc::new(Mined { kept: Arc::clone(&kept), bomb: bomb.clone() });
        let dying = docker();
        let way = mined_way(&podman, bomb.clone()).await;
        let first = args(way.clone());
        let outcome = tokio::select! {
            outcome = bench.run(&dying, first) => Some(outcome),
            () = bomb.exploded.cancelled() => None,
        };
        let survived = outcome.is_some();
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => {
                bench.ctx.checkpoint = Arc::new(Mined { kept, bomb: Bomb::dud() });
                bench.ctx.try_id = Uuid::new_v4();
                bench.run(&docker(), args(way)).await
            }
        };
        assert_eq!(return_value(outcome), "done", "killed at moment {moment}");
        assert_eq!(gate.runs(), 1, "killed at moment {moment}: {}", bench.log_text());
        assert_eq!(podman.containers(), Vec::<String>::new(), "killed at moment {moment}");
        if survived {
            assert!(moment > 16, "{moment} moments: checkpoints, requests and their answers");
            return;
        }
    }
}

/// A way to the engine on which the output of containers that is followed never ends, and lacks what comes last.
async fn way_without_end(podman: &Podman) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let socket = podman.socket();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let mut head = vec![0; 4096];
                let read = client.read(&mut head).await.unwrap();
                engine.write_all(&head[..read]).await.unwrap();
                if String::from_utf8_lossy(&head[..read]).contains("follow=true") {
                    let read = engine.read(&mut head).await.unwrap();
                    client.write_all(&head[..read]).await.unwrap();
                    std::future::pending::<()>().await;
                }
                // Either may go when it has what it wants.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_container_is_seen_by_an_engine_that_forgets_to_end_its_output() {
    let podman = Podman::start();
    let bench = Bench::new();
    let more = json!({ "docker_url": way_without_end(&podman).await });

    let ended = run(&podman, &bench, "echo first; sleep 0.2; echo second; printf last", more).await;

    assert_eq!(return_value(ended), "last");
    let log = bench.log_text();
    assert_eq!(["first\n", "second\n", "last\n"].map(|line| log.matches(line).count()), [1; 3], "{log}");
    assert_eq!(podman.containers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_leaves_the_container_and_the_next_goes_on_where_its_output_was() {
    let mut podman = Podman::start();
    let mut bench = Bench::new();
    let gate = Gate::new();
    let operator = docker();
    let running = bench.run(&operator, args(&podman, WAITS, gate.mount()));
    let stopping = async {
        said(&bench, "begins\n").await;
        bench.ctx.cancelled.cancel();
    };
    let stopped = tokio::join!(running, stopping).0.unwrap_err();
    assert_eq!(stopped.verdict, Verdict::Cancelled);
    assert!(bench.log_text().contains("whoever takes up this task goes on watching it"), "{}", bench.log_text());

    bench.ctx.cancelled = tokio_util::sync::CancellationToken::new();
    let url = podman.url();
    let again = args(&podman, WAITS, gate.mount());
    let running = bench.run(&operator, again);
    let away = async {
        said(&bench, "which this try made").await;
        podman.end();
        said(&bench, "goes on trying").await;
        podman.begin();
        gate.open();
    };
    let (ended, ()) = tokio::join!(running, away);

    assert_eq!(return_value(ended), "ends");
    let log = bench.log_text();
    assert_eq!((gate.runs(), log.matches("begins\n").count(), log.matches("ends\n").count()), (1, 1, 1), "{log}");
    assert!(log.contains(&format!("at {url}")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_is_not_wanted_any_more_stops_and_removes_its_container() {
    let podman = Podman::start();
    let bench = Bench::new();
    let operator = docker();
    let script = "trap 'echo bye > /gate/bye; exit 0' TERM; echo begins; while true; do sleep 0.05; done";
    let gate = Gate::new();
    let running = bench.run(&operator, args(&podman, script, gate.mount()));
    let stopping = async {
        said(&bench, "begins\n").await;
        bench.ctx.withdrawn.cancel();
        bench.ctx.cancelled.cancel();
    };

    let stopped = tokio::join!(running, stopping).0.unwrap_err();

    assert_eq!(stopped.verdict, Verdict::Cancelled);
    assert!(gate.path("bye").is_file(), "it was told to end before it was killed");
    assert_eq!(podman.containers(), Vec::<String>::new());
    assert!(bench.log_text().contains("Stopped container"), "{}", bench.log_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_try_has_left_is_ended_by_whoever_comes_next() {
    let podman = Podman::start();
    let bench = Bench::new();
    let (operator, gate) = (docker(), Gate::new());
    let left = || args(&podman, WAITS, gate.mount());
    tokio::select! {
        ended = bench.run(&operator, left()) => panic!("{ended:?}"),
        () = said(&bench, "begins\n") => {}
    }
    let away = bench.withdraw(&operator, args(&podman, WAITS, json!({ "docker_url": "unix:///nowhere/docker.sock" })));
    assert!(away.await.unwrap_err().to_string().contains("no Docker engine answers"), "it is asked again");
    assert_eq!(podman.containers().len(), 1);

    bench.withdraw(&operator, left()).await.unwrap();

    assert_eq!(podman.containers(), Vec::<String>::new());
    assert!(bench.log_text().contains("Stopped container"), "{}", bench.log_text());
    bench.withdraw(&operator, left()).await.unwrap();

    // What has ended by itself stays as the arguments say.
    let bench = Bench::new();
    let kept = json!({ "auto_remove": "never" });
    run(&podman, &bench, "true", kept.clone()).await.unwrap();
    bench.withdraw(&operator, args(&podman, "true", kept)).await.unwrap();
    assert_eq!(podman.containers().len(), 1);
    Bench::new().withdraw(&operator, left()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_with_one_engine_is_not_looked_for_in_another() {
    let (first, other) = (Podman::start(), Podman::start());
    let mut bench = Bench::new();
    let (operator, gate) = (docker(), Gate::new());
    let at = |urls: Value| {
        let mut more = gate.mount();
        more["docker_url"] = urls;
        args(&first, WAITS, more)
    };
    tokio::select! {
        ended = bench.run(&operator, at(first.url().into())) => panic!("{ended:?}"),
        () = said(&bench, "begins\n") => {}
    }
    let names_both = |problem: &TaskError| {
        let places = [format!("is at {} (", first.url()), format!("the task leads to {} (", other.url())];
        places.iter().all(|place| problem.to_string().contains(place))
    };
    let problem = bench.withdraw(&operator, at(other.url().into())).await.unwrap_err();
    assert!(names_both(&problem), "{problem}");
    for try_number in [1, 2] {
        bench.ctx.try_number = try_number;
        let problem = bench.run(&operator, at(other.url().into())).await.unwrap_err();
        assert!(problem.verdict == Verdict::Retry && names_both(&problem), "{problem}");
    }
    assert_eq!((first.containers().len(), other.containers().len(), gate.runs()), (1, 0, 1));

    // Of several engines, the one that has it is asked.
    bench.ctx.try_number = 1;
    gate.open();
    let ended = bench.run(&operator, at(json!([other.url(), first.url()]))).await;
    assert_eq!((return_value(ended), gate.runs()), (json!("ends"), 1));
}

/// What speaks as an engine does, has every image, and has no room for containers.
struct Sham {
    url: String,
    /// What it says of itself: who it is, and which component it is made of.
    said: Arc<Mutex<(Value, &'static str)>>,
    /// How many containers it was to make.
    asked: Arc<Mutex<usize>>,
}

impl Sham {
    async fn start() -> Sham {
        let said = Arc::new(Mutex::new((json!({ "ID": "one", "Name": "a" }), "Engine")));
        let asked = Arc::new(Mutex::new(0));
        let (saying, counting) = (Arc::clone(&said), Arc::clone(&asked));
        let answer = move |uri: Uri| {
            let (about, component) = saying.lock().unwrap().clone();
            let answer = match uri.path() {
                path if path.ends_with("/version") => {
                    let component = json!({ "Name": component, "Version": "1" });
                    (StatusCode::OK, Json(json!({ "ApiVersion": "1.44", "Components": [component] })))
                }
                path if path.ends_with("/info") => (StatusCode::OK, Json(about)),
                path if path.contains("/images/") => (StatusCode::OK, Json(json!({ "Id": "sha256:1" }))),
                path if path.ends_with("/containers/json") => (StatusCode::OK, Json(json!([]))),
                _ => {
                    *counting.lock().unwrap() += 1;
                    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "message": "no room" })))
                }
            };
            async { answer }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Sham { url, said, asked }
    }

    fn says(&self, id: &str, name: &str, component: &'static str) {
        *self.said.lock().unwrap() = (json!({ "ID": id, "Name": name }), component);
    }
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_refused_also_when_the_image_is() {
    let sham = Sham::start().await;
    let args = json!({ "image": "acme/scoring:1", "docker_url": sham.url, "docker_conn_id": "nowhere" });
    let error = Bench::new().run(&docker(), args).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail);
    let told = error.to_string();
    assert!(told.contains("there is no connection `nowhere`") && told.contains("UPDRAFT_CONN_NOWHERE"), "{told}");
    assert_eq!(*sham.asked.lock().unwrap(), 0, "nothing is made");
}

/// Every machine has a socket of that name. Podman's ids are made up for each answer; a machine may be called otherwise.
#[tokio::test]
async fn the_engine_of_another_machine_is_another_one_at_the_same_address() {
    let sham = Sham::start().await;
    let args = || json!({ "image": "acme/scoring:1", "docker_url": sham.url });
    let podman = "Podman Engine";
    for (before, after, places) in [
        (("one", "a", "Engine"), ("two", "a", "Engine"), Some(("engine one", "engine two"))),
        (("one", "a", "Engine"), ("one", "b", "Engine"), None),
        (("one", "a", podman), ("two", "b", podman), Some(("on a", "on b"))),
        (("one", "a", podman), ("two", "a", podman), None),
    ] {
        let bench = Bench::new();
        sham.says(before.0, before.1, before.2);
        let error = bench.run(&docker(), args()).await.unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");

        sham.says(after.0, after.1, after.2);
        let error = bench.run(&docker(), args()).await.unwrap_err();

        let expected = places.map_or_else(
            || "no room".to_owned(),
            |(there, here)| format!("is at {0} ({there}), and the task leads to {0} ({here}) now", sham.url),
        );
        assert!(
            error.verdict == Verdict::Retry && error.to_string().contains(&expected),
            "{before:?} {after:?}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_try_ends_what_the_one_before_has_left() {
    let podman = Podman::start();
    let mut bench = Bench::new();
    let gate = Gate::new();
    let mut more = gate.mount();
    more["container_name"] = "scoring".into();
    let operator = docker();
    tokio::select! {
        ended = bench.run(&operator, args(&podman, WAITS, more.clone())) => panic!("{ended:?}"),
        () = said(&bench, "begins\n") => {}
    }
    assert_eq!(podman.containers(), ["scoring"]);

    bench.ctx.try_number = 2;
    bench.ctx.try_id = Uuid::new_v4();
    let running = bench.run(&operator, args(&podman, WAITS, more));
    let opening = async {
        said(&bench, "Stops container").await;
        while gate.runs() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        gate.open();
    };
    let (ended, ()) = tokio::join!(running, opening);

    assert_eq!(return_value(ended), "ends");
    assert_eq!((gate.runs(), podman.containers().len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_said_with_its_cure() {
    let podman = Podman::start();
    let fails = async |more: Value| run(&podman, &Bench::new(), "true", more).await.unwrap_err();

    let nobody = fails(json!({ "docker_url": "unix:///nowhere/docker.sock" })).await;
    assert_eq!(nobody.verdict, Verdict::Retry);
    let words = nobody.to_string();
    assert!(words.contains("no Docker engine answers (unix:///nowhere/docker.sock: "), "{words}");
    assert!(words.contains("name another engine with `docker_url`"), "{words}");
    let second = json!({ "docker_url": ["unix:///nowhere/docker.sock", podman.url()] });
    assert_eq!(return_value(run(&podman, &Bench::new(), "echo x", second).await), "x");

    let absent = fails(json!({ "image": "registry.invalid/acme/tool:1" })).await.to_string();
    assert!(absent.contains("cannot pull the image `registry.invalid/acme/tool:1`"), "{absent}");
    let command = fails(json!({ "command": "/bin/nothing" })).await.to_string();
    assert!(command.contains("cannot start the container") && command.contains("/bin/nothing"), "{command}");
    assert_eq!(podman.containers(), Vec::<String>::new(), "what could not start is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_come_from_registries_that_ask_who_we_are() {
    let registry = ImageRegistry::start();
    let podman = Podman::start_beside(&registry.name);
    let image = format!("{}/acme/tool:1", registry.name);
    podman.run(&["tag", IMAGE, &image]);
    podman.run(&["push", "--creds", &format!("{LOGIN}:{PASSWORD}"), &image]);
    podman.run(&["rmi", &image]);
    let connection = |password: &str| {
        let (host, port) = registry.name.split_once(':').unwrap();
        Connection {
            host: Some(host.to_owned()),
            port: Some(port.parse().unwrap()),
            login: Some(LOGIN.to_owned()),
            password: Some(Secret::new(password)),
            ..Connection::new("images", "docker")
        }
    };
    let bench = |password: &str| {
        let mut bench = Bench::new();
        bench.ctx.secrets = Arc::new(Connections(vec![connection(password)]));
        bench
    };
    let more = json!({ "image": image, "docker_conn_id": "images" });

    let refused = run(&podman, &Bench::new(), "echo x", json!({ "image": image })).await.unwrap_err();
    assert!(refused.to_string().contains("cannot pull the image"), "{refused}");
    let wrong = run(&podman, &bench("hush-hash"), "echo x", more.clone()).await.unwrap_err();
    assert!(!wrong.to_string().contains("hush"), "{wrong}");
    assert_eq!(return_value(run(&podman, &bench(PASSWORD), "echo x", more).await), "x");
    let elsewhere = bench(PASSWORD);
    let more = json!({ "image": IMAGE, "docker_conn_id": "images", "force_pull": true });
    run(&podman, &elsewhere, "echo x", more).await.unwrap_err();
    assert!(elsewhere.log_text().contains("the image is pulled without it"), "{}", elsewhere.log_text());

    let test = async |connection: Connection| {
        scheduler::connection::test(&registry_with(&nowhere()).unwrap(), &connection).await
    };
    assert_eq!(test(connection(PASSWORD)).await.unwrap(), format!("{} let us in as {LOGIN}", registry.name));
    let problem = test(connection("hush-hash")).await.unwrap_err();
    assert!(problem.contains("does not let us in as reader: it answered 401"), "{problem}");
    let problem = test(Connection { login: None, ..connection(PASSWORD) }).await.unwrap_err();
    assert!(problem.contains("wants a login"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_tls_wants_a_certificate() {
    let (podman, bench) = (Podman::start(), Bench::new());
    let gate = TlsGate::start(&podman.socket().display().to_string(), bench.home(), true);
    let url = format!("tcp://127.0.0.1:{}", gate.port);
    let shown = |ca: &str| json!({ "docker_url": url, "tls_ca_cert": ca, "tls_client_cert": "client.pem", "tls_client_key": "client.key" });
    run(&podman, &bench, "echo through", shown("ca.pem")).await.unwrap();
    assert!(bench.has_said("through"), "{}", bench.log_text());

    for more in [json!({ "docker_url": url }), shown("client.pem")] {
        let error = run(&podman, &bench, "echo x", more).await.unwrap_err();
        assert!(error.to_string().contains("no Docker engine answers"), "{error}");
    }
}

#[test]
fn mistakes_are_told_when_the_file_is_loaded() {
    let registry = registry_with(&nowhere()).unwrap();
    for (args, pointer, words) in [
        (json!({ "command": "echo 'x" }), "/command", "has no partner"),
        (json!({ "command": "['echo'" }), "/command", "no list of words"),
        (json!({ "mem_limit": "much" }), "/mem_limit", "`much` is no size"),
        (json!({ "mounts": ["/data"] }), "/mounts/0", "is no mount"),
        (json!({ "mounts": [{ "type": "bind", "target": "/x" }] }), "/mounts/0", "has a `source`"),
        (json!({ "mounts": [{ "type": "bind", "source": "x", "target": "/x" }] }), "/mounts/0", "no absolute path"),
        (json!({ "mounts": [{ "type": "tmpfs", "source": "x", "target": "/x" }] }), "/mounts/0", "is memory"),
        (json!({ "docker_url": "ssh://host" }), "/docker_url", "is no address of an engine"),
        (json!({ "docker_url": ["tcp://host:1", "host"] }), "/docker_url", "`host` is no address"),
        (json!({ "tls_ca_cert": "ca.pem" }), "/tls_ca_cert", "goes with `tls_client_cert`"),
        (json!({ "timeout": "soon" }), "/timeout", "soon"),
    ] {
        let problems = registry.find("docker").unwrap().check(args.as_object().unwrap());
        let found = problems.iter().any(|problem| problem.pointer == pointer && problem.message.contains(words));
        assert!(found, "{args}: {problems:?}");
    }
    let open = json!({ "command": "{{ params.c }}", "mem_limit": "{{ params.m }}", "docker_url": "{{ params.u }}" });
    assert_eq!(registry.find("docker").unwrap().check(open.as_object().unwrap()), []);
}

#[test]
fn airflows_class_means_this_operator() {
    let text = "
tasks:
  score:
    operator: airflow.providers.docker.operators.docker.DockerOperator
    image: acme/scoring
    command: score --day today
    api_version: auto
    auto_remove: success
    docker_url: unix://var/run/docker.sock
    network_mode: bridge
    mounts: [{source: /data, target: /in, type: bind, read_only: true}]
    device_requests: [{count: -1, capabilities: [[gpu]]}]
    ulimits: [{name: nofile, soft: 1, hard: 2}]
    retrieve_output: false
    tls_verify: true
  tidy: {operator: DockerOperator, image: busybox}
";
    let tasks = loaded(text);
    assert_eq!(tasks["score"]["auto_remove"], "success");
    assert_eq!(tasks["tidy"], json!({ "image": "busybox", "auto_remove": "never", "mount_tmp_dir": true }));
}
