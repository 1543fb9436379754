//! Logs of tasks that run where nobody who reads them has a folder in common with them.

use std::path::Path;

use scheduler::store::Db;

use crate::server::{Backend, Installation, Server, eventually, finished};

/// A task that speaks before and after it was told to go on.
fn speaks(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "default_args: {{retries: 0}}\ntasks:\n  - task_id: speaks\n    operator: bash\n    bash_command: |\n      \
         echo before it waits\n      while ! [ -e {folder}/go ]; do sleep 0.05; done\n      echo after it waited\n"
    )
}

const LOG: &str = "/api/v2/dags/speaks/dagRuns/one/taskInstances/speaks/logs/1";
const STREAM: &str = "/api/v2/updraft/dags/speaks/dagRuns/one/taskInstances/speaks/logs/1/stream";

/// Scheduler and API server, each with a home of its own, and a task that was triggered.
struct World {
    installation: Installation,
    db: Db,
    scheduler: Server,
    api: Server,
    token: String,
}

impl World {
    async fn new() -> World {
        let installation = Installation::new(Backend::Postgres).await;
        installation.write_dag("speaks.yaml", &speaks(installation.path()));
        let db = installation.database().await;
        db.migrate().await.unwrap();
        let scheduler = start(&installation, "scheduler", "decides", &[]).await;
        let api = start(&installation, "api-server", "answers", &["--port", "0"]).await;
        let token = api.token().await;
        installation.json(&["dags", "trigger", "speaks", "--run-id", "one"]).await;
        World { installation, db, scheduler, api, token }
    }

    async fn worker(&self, home: &str, flags: &[&str]) -> Server {
        start(&self.installation, "worker", home, flags).await
    }

    async fn log(&self) -> String {
        self.api.request("GET", LOG, Some(&self.token), "").await
    }

    async fn log_with(&self, words: &str, times: usize) -> String {
        eventually(words, || async {
            let log = self.log().await;
            (said(&log, words) == times).then_some(log)
        })
        .await
    }

    fn let_go(&self) {
        std::fs::write(self.installation.path().join("go"), "").unwrap();
    }
}

async fn start(installation: &Installation, role: &str, home: &str, flags: &[&str]) -> Server {
    let home = installation.path().join(home);
    installation.start_role(role, &[&["--home", &home.display().to_string()], flags].concat()).await
}

/// How often a task said that; the command itself is in its log, too.
fn said(log: &str, words: &str) -> usize {
    log.matches(&format!(r#""event":"{words}""#)).count()
}

/// The files in a folder, at any depth.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[tokio::test]
async fn a_log_can_be_followed_while_the_task_runs_and_read_when_its_worker_is_gone() {
    let world = World::new().await;
    let worker = world.worker("works", &[]).await;

    let begun = world.log_with("before it waits", 1).await;
    assert_eq!(said(&begun, "after it waited"), 0, "{begun}");
    let printed = async || world.installation.json(&["tasks", "logs", "speaks", "one", "speaks"]).await.to_string();
    assert_eq!(said(&printed().await, "before it waits"), 1);
    let (followed, ()) = tokio::join!(world.api.request("GET", STREAM, Some(&world.token), ""), async {
        world.let_go();
    });

    assert_eq!((said(&followed, "before it waits"), said(&followed, "after it waited")), (1, 1), "{followed}");
    assert!(followed.contains("event: end"), "{followed}");
    assert_eq!(finished(&world.db, "speaks", "one").await.state, "success");
    assert!(worker.stop().await);
    assert!(files(&world.installation.path().join("works/unsent_logs")).is_empty(), "all was sent");
    let log = world.log().await;
    assert_eq!((said(&log, "after it waited"), said(&log, "Ended well")), (1, 1), "{log}");
    assert_eq!(said(&printed().await, "after it waited"), 1);

    // A worker that is still there has nothing to do with it.
    world.installation.json(&["runs", "delete", "speaks", "one", "--yes"]).await;
    assert!(world.log().await.starts_with("HTTP/1.1 404"));
    assert!(world.api.stop().await && world.scheduler.stop().await);
}

#[tokio::test]
async fn what_a_killed_worker_said_is_there_and_the_next_try_goes_on_after_it() {
    let world = World::new().await;
    // It is soon found dead.
    let first = world.worker("works", &["--lease-secs", "6"]).await;
    world.log_with("before it waits", 1).await;

    first.kill().await;
    world.log_with("before it waits", 1).await;
    let second = world.worker("works elsewhere", &[]).await;
    world.log_with("before it waits", 2).await;
    world.let_go();

    assert_eq!(finished(&world.db, "speaks", "one").await.state, "success");
    let log = world.log_with("after it waited", 1).await;
    assert_eq!(log.matches("Try 1 of task").count(), 2, "the same try, made again: {log}");
    assert!(second.stop().await && world.api.stop().await && world.scheduler.stop().await);
}
