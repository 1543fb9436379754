//! Scheduler, worker and API server as processes of their own: what each does, and what is left when one is gone.

use std::path::Path;

use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::{Db, runs};

use crate::server::{Backend, Installation, Server, eventually, finished, instances};

/// A task that says where it is in files of its own: which process it is, and that it has ended.
fn waits(folder: &Path, extra: &str) -> String {
    let folder = folder.display();
    format!(
        "default_args: {{retries: 0}}\ntasks:\n  - task_id: waits\n    operator: bash\n{extra}    bash_command: |\n      \
         exec 9> {folder}/lock\n      flock -n 9 || touch {folder}/overlap\n      echo $$ >> {folder}/begun\n      \
         while ! [ -e {folder}/go ]; do sleep 0.05; done\n      echo $$ >> {folder}/ended\n"
    )
}

struct World {
    installation: Installation,
    db: Db,
}

impl World {
    async fn new(extra: &str) -> World {
        let installation = Installation::new(Backend::Postgres).await;
        installation.write_dag("waits.yaml", &waits(installation.path(), extra));
        installation
            .write_dag("hello.yaml", "tasks: [{task_id: says, operator: bash, bash_command: echo hello there}]\n");
        let db = installation.database().await;
        db.migrate().await.unwrap();
        World { installation, db }
    }

    async fn start(&self, role: &str, flags: &[&str]) -> Server {
        self.installation.start_role(role, flags).await
    }

    async fn trigger(&self, dag_id: &str) {
        self.installation.json(&["dags", "trigger", dag_id, "--run-id", "one"]).await;
    }

    async fn instance(&self, dag_id: &str) -> task_instance::Model {
        let run = runs::get(self.db.read(), dag_id, "one").await.unwrap();
        instances(&self.db, &run).await.remove(0)
    }

    /// The words in a file of the task, as soon as there are so many.
    async fn told(&self, file: &str, count: usize) -> Vec<String> {
        let path = self.installation.path().join(file);
        eventually(&format!("{count} lines in {file}"), || async {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    fn let_go(&self) {
        std::fs::write(self.installation.path().join("go"), "").unwrap();
    }

    fn has_overlapped(&self) -> bool {
        self.installation.path().join("overlap").exists()
    }
}

/// Whether a process goes on. One that has ended may still be listed: its parent stands still, or has not looked yet.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn a_run_asked_for_at_the_api_server_is_decided_by_the_scheduler_and_made_by_the_worker() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    let worker = world.start("worker", &[]).await;
    let api = world.start("api-server", &["--port", "0"]).await;

    let token = api.token().await;
    let body = r#"{"dag_run_id": "one", "logical_date": null}"#;
    let answer = api.request("POST", "/api/v2/dags/hello/dagRuns", Some(&token), body).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let run = finished(&world.db, "hello", "one").await;

    assert_eq!(run.state, "success");
    let instance = world.instance("hello").await;
    assert_eq!(instance.pid.map(|pid| pid.to_string()), Some(worker.pid()), "it ran in the worker");
    assert_eq!(instance.try_number, 1);
    let logs = "/api/v2/dags/hello/dagRuns/one/taskInstances/says/logs/1";
    let log = api.request("GET", logs, Some(&token), "").await;
    assert!(log.contains("hello there"), "{log}");
    let xcom = "/api/v2/dags/hello/dagRuns/one/taskInstances/says/xcomEntries/return_value";
    assert!(api.request("GET", xcom, Some(&token), "").await.contains("hello there"));
    for process in [api, worker, scheduler] {
        assert!(process.stop().await, "it stops cleanly");
    }
}

#[tokio::test]
async fn a_try_goes_on_when_the_scheduler_is_killed_and_another_one_hears_of_its_end() {
    let world = World::new("").await;
    let leader = world.start("scheduler", &[]).await;
    let worker = world.start("worker", &[]).await;
    world.trigger("waits").await;
    let begun = world.told("begun", 1).await;
    let other = world.start("scheduler", &[]).await;

    leader.kill().await;
    // The one that stands by leads when it makes a run that was asked for now.
    world.trigger("hello").await;
    assert_eq!(finished(&world.db, "hello", "one").await.state, "success");
    assert!(lives(&begun[0]), "the try has not noticed");
    world.let_go();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert_eq!(world.told("ended", 1).await, begun, "one try, from beginning to end");
    assert_eq!(world.instance("waits").await.try_number, 1);
    assert!(worker.stop().await && other.stop().await);
}

#[tokio::test]
async fn a_try_whose_worker_is_killed_is_made_again_by_another_one() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    let first = world.start("worker", &["--lease-secs", "6"]).await;
    world.trigger("waits").await;
    let begun = world.told("begun", 1).await;
    // Only a worker that is to be found dead needs a short lease; a busy machine must not take this one for dead.
    let second = world.start("worker", &[]).await;

    first.kill().await;
    let again = world.told("begun", 2).await;
    assert!(!lives(&begun[0]), "the child died with its worker");
    world.let_go();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    let instance = world.instance("waits").await;
    assert_eq!(instance.pid.map(|pid| pid.to_string()), Some(second.pid()));
    assert_eq!(world.told("ended", 1).await, again[1..]);
    assert!(!world.has_overlapped());
    assert!(second.stop().await && scheduler.stop().await);
}

/// The child is killed by the guardian before anybody takes the suspended worker for dead.
#[tokio::test]
async fn a_worker_that_stands_still_loses_its_try_and_does_nothing_when_it_wakes() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    let first = world.start("worker", &["--lease-secs", "6"]).await;
    world.trigger("waits").await;
    let begun = world.told("begun", 1).await;
    let second = world.start("worker", &[]).await;

    first.signal("-STOP").await;
    world.told("begun", 2).await;
    assert!(!lives(&begun[0]), "the first try's process was killed before the second one began");
    first.signal("-CONT").await;
    world.let_go();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert!(!world.has_overlapped());
    assert_eq!(world.told("ended", 1).await.len(), 1);
    // It is of use again.
    assert!(second.stop().await);
    world.trigger("hello").await;
    assert_eq!(finished(&world.db, "hello", "one").await.state, "success");
    assert_eq!(world.instance("hello").await.pid.map(|pid| pid.to_string()), Some(first.pid()));
    assert!(first.stop().await && scheduler.stop().await);
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_gives_its_tries_back() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    let first = world.start("worker", &["--grace-secs", "0"]).await;
    world.trigger("waits").await;
    world.told("begun", 1).await;
    let second = world.start("worker", &[]).await;

    assert!(first.stop().await);
    world.told("begun", 2).await;
    world.let_go();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert_eq!(world.instance("waits").await.try_number, 1, "a try that was given back is no failure");
    assert!(!world.has_overlapped());
    assert!(second.stop().await && scheduler.stop().await);
}

#[tokio::test]
async fn a_task_waits_for_a_worker_of_its_queue() {
    let world = World::new("    queue: gpu\n").await;
    let scheduler = world.start("scheduler", &[]).await;
    let ordinary = world.start("worker", &[]).await;
    world.let_go();
    world.trigger("waits").await;
    world.trigger("hello").await;
    assert_eq!(finished(&world.db, "hello", "one").await.state, "success");
    assert_eq!(world.instance("waits").await.state.as_deref(), Some("queued"));
    eventually("the reason", || async {
        (world.instance("waits").await.reason.as_deref() == Some("no worker takes queue gpu")).then_some(())
    })
    .await;
    let why = world.installation.json(&["tasks", "why", "waits", "one"]).await;
    assert!(why.to_string().contains("updraft worker --queues gpu"), "{why}");

    let special = world.start("worker", &["--queues", "other,gpu"]).await;

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert_eq!(world.instance("waits").await.pid.map(|pid| pid.to_string()), Some(special.pid()));
    for process in [special, ordinary, scheduler] {
        assert!(process.stop().await);
    }
}

#[tokio::test]
async fn a_standalone_server_makes_what_no_worker_took() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    world.trigger("hello").await;
    eventually("the queued try", || async {
        let run = runs::get(world.db.read(), "hello", "one").await.unwrap();
        let instances = instances(&world.db, &run).await;
        instances.first().is_some_and(|instance| instance.state.as_deref() == Some("queued")).then_some(())
    })
    .await;
    assert!(scheduler.stop().await);

    let server = world.installation.start().await;

    assert_eq!(finished(&world.db, "hello", "one").await.state, "success");
    let instance = world.instance("hello").await;
    assert_eq!((instance.try_number, instance.pid.map(|pid| pid.to_string())), (1, Some(server.pid())));
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_run_that_is_marked_failed_stops_its_try_in_the_worker() {
    let world = World::new("").await;
    let scheduler = world.start("scheduler", &[]).await;
    let worker = world.start("worker", &[]).await;
    world.trigger("waits").await;
    let begun = world.told("begun", 1).await;

    world.installation.json(&["runs", "mark", "waits", "one", "failed"]).await;

    eventually("the end of the child", || async { (!lives(&begun[0])).then_some(()) }).await;
    assert_eq!(finished(&world.db, "waits", "one").await.state, "failed");
    assert!(worker.stop().await && scheduler.stop().await);
}

#[rstest]
#[case::scheduler("scheduler")]
#[case::worker("worker")]
#[case::api_server("api-server")]
#[tokio::test]
async fn a_role_on_sqlite_is_refused_with_the_cure(#[case] role: &str) {
    let installation = Installation::new(Backend::Sqlite).await;

    let output = installation.run(&[role]).await;

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("SQLite") && said.contains("UPDRAFT_DATABASE_URL"), "{said}");
}
