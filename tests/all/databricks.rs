//! Runs on Databricks from outside: whatever becomes of Updraft, each is started once; it is cancelled there when its task is,
//! and not when Updraft only stops.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::{Db, checkpoints, runs};
use serde_json::json;

use crate::server::{Backend, Installation, Server, eventually, finished, instances};

#[path = "../../operators/tests/all/bomb.rs"]
mod bomb;
#[expect(dead_code, reason = "the tests of the operators use all of it")]
#[path = "../../operators/tests/all/databricks/fake.rs"]
mod fake;
#[path = "../../operators/tests/all/databricks/rules.rs"]
mod rules;
mod statements;
mod withdrawn;

use fake::{FAILED, Fake, Fault, RUNNING, SUCCESS};

/// How often the server is killed in one test.
const KILLS: usize = 8;

struct World {
    installation: Installation,
    fake: Fake,
    db: Db,
}

impl World {
    /// A task that runs a notebook, with more of its keys.
    async fn new(backend: Backend, keys: &str) -> World {
        let installation = Installation::new(backend).await;
        let text = format!(
            "default_args: {{retries: 1, retry_delay: 0.1s}}\ntasks:\n  - {{task_id: clean, operator: \
             airflow.providers.databricks.operators.databricks.DatabricksSubmitRunOperator, existing_cluster_id: c, \
             notebook_task: {{notebook_path: /clean}}, polling_period_seconds: 0.2, databricks_retry_delay: 0.05{keys}}}\n"
        );
        installation.write_dag("lake.yaml", &text);
        std::fs::create_dir_all(installation.home()).unwrap();
        let db = installation.database().await;
        db.migrate().await.unwrap();
        World { installation, fake: Fake::start().await, db }
    }

    async fn start(&self) -> Server {
        self.start_as(&["standalone", "--port", "0", "--grace-secs", "5"]).await
    }

    async fn start_as(&self, args: &[&str]) -> Server {
        let connection =
            json!({ "conn_type": "databricks", "extra": { "token": fake::TOKEN, "host": self.fake.url() } });
        let mut command = self.installation.command(args);
        command.env("UPDRAFT_LOG", "warn").env("UPDRAFT_CONN_DATABRICKS_DEFAULT", connection.to_string());
        Server::start(command).await
    }

    async fn trigger(&self) {
        self.installation.json(&["dags", "trigger", "lake", "--run-id", "one"]).await;
    }

    async fn instance(&self) -> Option<task_instance::Model> {
        let run = runs::find(self.db.read(), "lake", "one").await.unwrap()?;
        instances(&self.db, &run).await.into_iter().next()
    }

    /// The task, once it waits without a slot in that process.
    async fn deferred_in(&self, process: &Server) -> task_instance::Model {
        let pid = process.pid();
        eventually("a deferred task", || async {
            let instance = self.instance().await?;
            let is_there = instance.pid.is_some_and(|found| found.to_string() == pid);
            (is_there && instance.state.as_deref() == Some("deferred")).then_some(instance)
        })
        .await
    }

    /// Lets every run that goes on succeed.
    fn succeed(&self) {
        self.fake
            .inside()
            .runs
            .values_mut()
            .filter(|run| run.cancels == 0)
            .for_each(|run| run.script = [SUCCESS].into());
    }

    fn log(&self, attempt: u32) -> String {
        let path = format!("logs/dag_id=lake/run_id=one/task_id=clean/attempt={attempt}.log");
        std::fs::read_to_string(self.installation.home().join(path)).unwrap_or_default()
    }

    /// Waits until nothing is left to withdraw.
    async fn forgotten(&self) {
        eventually("that nothing is withdrawn any more", || async {
            checkpoints::withdrawn(self.db.read(), 1).await.unwrap().is_empty().then_some(())
        })
        .await;
    }

    async fn cancelled(&self) {
        eventually("the cancellation there", || async { (self.fake.runs()[0].cancels > 0).then_some(()) }).await;
    }
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn killed_between_the_submit_and_its_answer_it_starts_no_second_run(#[case] backend: Backend) {
    let world = World::new(backend, "").await;
    world.fake.faults("runs/submit", [Fault::Hang]);
    let server = world.start().await;
    world.trigger().await;
    // The run has been started there, and nobody here knows of it.
    world.fake.hanging().await;
    server.kill().await;

    let server = world.start().await;

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    let runs = world.fake.runs();
    assert_eq!((runs.len(), runs[0].cancels), (1, 0));
    assert_eq!(world.instance().await.unwrap().try_number, 1);
    assert!(world.log(1).contains("It is not known whether the run was started"), "{}", world.log(1));
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn killed_at_many_moments_it_starts_one_run(#[case] backend: Backend) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    // A task that was lost four times before it could wait has used up a try; how often that happens is up to the machine.
    let world = World::new(backend, ", retries: 9").await;
    world.fake.script(&[RUNNING]);
    let mut server = world.start().await;
    world.trigger().await;
    for _ in 0..KILLS {
        // The moment of the kill is the point of this test; nothing waits for this time to pass.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        server.kill().await;
        server = world.start().await;
    }
    world.deferred_in(&server).await;
    world.succeed();

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success", "seed {seed}");
    let runs = world.fake.runs();
    let tries = world.instance().await.unwrap().try_number;
    assert!(runs.iter().filter(|run| run.cancels == 0).count() == 1, "seed {seed}: {runs:?}");
    assert!(runs.len() <= usize::try_from(tries).unwrap(), "seed {seed}: {runs:?}");
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_server_that_stops_leaves_the_run_alone_and_the_next_one_goes_on(#[case] backend: Backend) {
    let world = World::new(backend, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    let begun = world.deferred_in(&server).await;
    let reason = begun.reason.unwrap_or_default();
    assert!(reason.contains("/run/1000000000001"), "the page is in the reason: {reason}");
    assert!(server.stop().await);

    let server = world.start().await;
    world.deferred_in(&server).await;
    world.succeed();

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    let runs = world.fake.runs();
    assert_eq!((runs.len(), runs[0].cancels), (1, 0));
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_task_that_is_cleared_cancels_its_run_and_starts_another() {
    let world = World::new(Backend::Sqlite, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;

    world.installation.json(&["tasks", "clear", "lake", "one", "clean", "--yes"]).await;

    world.cancelled().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    assert_eq!(world.fake.runs().iter().map(|run| run.cancels).collect::<Vec<_>>(), [1, 0]);
    assert!(world.log(1).contains("Run 1000000000001 was cancelled"), "{}", world.log(1));
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_task_that_is_marked_cancels_its_run() {
    let world = World::new(Backend::Sqlite, "").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;

    world.installation.json(&["tasks", "mark", "lake", "one", "clean", "success"]).await;

    world.cancelled().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    assert_eq!(world.fake.runs().len(), 1);
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_task_out_of_time_cancels_its_run_although_it_waits_without_a_slot() {
    let world = World::new(Backend::Sqlite, ", execution_timeout: 10s, retries: 0").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;

    assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");

    let error = world.instance().await.unwrap().error.unwrap_or_default();
    assert!(error.contains("took longer than its execution_timeout of 10s"), "{error}");
    assert_eq!(world.fake.runs()[0].cancels, 1);
    assert!(server.stop().await);
}

#[tokio::test]
async fn what_a_dead_worker_watched_another_one_goes_on_watching() {
    let world = World::new(Backend::Postgres, "").await;
    world.fake.script(&[RUNNING]);
    let scheduler = world.start_as(&["scheduler"]).await;
    let first = world.start_as(&["worker"]).await;
    world.trigger().await;
    world.deferred_in(&first).await;

    first.kill().await;
    let second = world.start_as(&["worker"]).await;
    world.deferred_in(&second).await;
    world.succeed();

    assert_eq!(finished(&world.db, "lake", "one").await.state, "success");
    let runs = world.fake.runs();
    assert_eq!((runs.len(), runs[0].cancels), (1, 0));
    assert!(second.stop().await && scheduler.stop().await);
}

#[tokio::test]
async fn a_worker_hears_that_a_run_is_to_be_cancelled() {
    let world = World::new(Backend::Postgres, "").await;
    world.fake.script(&[RUNNING]);
    let scheduler = world.start_as(&["scheduler"]).await;
    let worker = world.start_as(&["worker"]).await;
    world.trigger().await;
    world.deferred_in(&worker).await;

    world.installation.json(&["tasks", "mark", "lake", "one", "clean", "failed"]).await;

    world.cancelled().await;
    assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");
    assert!(worker.stop().await && scheduler.stop().await);
}

/// The link to the run is wanted most at 3 a.m., when it has failed.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn the_page_of_a_run_is_linked_while_it_goes_on_and_after_it_has_failed(#[case] backend: Backend) {
    let world = World::new(backend, ", retries: 0").await;
    world.fake.script(&[RUNNING]);
    let server = world.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;
    let token = server.token().await;
    let links = async || {
        let path = "/api/v2/dags/lake/dagRuns/one/taskInstances/clean/links";
        let answer = server.request("GET", path, Some(&token), "").await;
        assert!(answer.contains("/run/1000000000001") && answer.contains("See Databricks Job Run"), "{answer}");
    };
    links().await;

    world.fake.inside().runs.values_mut().for_each(|run| run.script = [FAILED].into());

    assert_eq!(finished(&world.db, "lake", "one").await.state, "failed");
    links().await;
    assert_eq!(world.fake.runs()[0].cancels, 0, "there is nothing to cancel");
    assert!(server.stop().await);
}

/// The example, whose schedule would make a run of its own beside ours.
fn example() -> String {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dags/pinterest_databricks.yaml");
    let text = std::fs::read_to_string(file).expect("the example is there");
    assert!(text.contains("schedule: \"@daily\"") && text.contains("retries: 5"));
    text.replace("schedule: \"@daily\"", "schedule: null")
}

/// The seeds' pipeline, whole: seven notebooks in order on their cluster, or the same steps in this process.
#[tokio::test]
async fn the_seeds_pipeline_runs_there_or_here() {
    let world = World::new(Backend::Sqlite, "").await;
    world.installation.write_dag("pinterest_databricks.yaml", &example());
    let server = world.start().await;
    let states = async |run_id: &str, conf: serde_json::Value| {
        let conf = conf.to_string();
        let trigger = ["dags", "trigger", "pinterest_databricks", "--run-id", run_id, "--conf", &conf];
        world.installation.json(&trigger).await;
        let run = finished(&world.db, "pinterest_databricks", run_id).await;
        assert_eq!(run.state, "success");
        let rows = instances(&world.db, &run).await;
        rows.into_iter().map(|row| (row.task_id, row.state.unwrap_or_default())).collect::<Vec<_>>()
    };

    let there = states("there", json!({ "cluster": "c-1", "notebooks": "/n" })).await;

    let paths: Vec<String> = world
        .fake
        .runs()
        .iter()
        .map(|run| {
            assert_eq!(run.request["existing_cluster_id"], "c-1");
            run.request["notebook_task"]["notebook_path"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(paths[..2], ["/n/mount_s3_bucket", "/n/load_topics"]);
    let mut cleaned = paths[2..5].to_vec();
    cleaned.sort();
    assert_eq!(cleaned, ["/n/clean_geo", "/n/clean_pin", "/n/clean_user"]);
    let mut asked = paths[5..].to_vec();
    asked.sort();
    assert_eq!(asked, ["/n/query_posts", "/n/query_users"]);
    let of = |states: &[(String, String)], group: &str, state: &str| {
        let tasks = states.iter().filter(|(task, _)| task.starts_with(group));
        let held: Vec<bool> = tasks.map(|(_, found)| found == state).collect();
        held.len() > 6 && held.into_iter().all(|held| held)
    };
    assert!(of(&there, "databricks.", "success") && of(&there, "native.", "skipped"), "{there:?}");

    let here = states("here", json!({ "engine": "native" })).await;

    assert!(of(&here, "native.", "success") && of(&here, "databricks.", "skipped"), "{here:?}");
    assert_eq!(world.fake.runs().len(), 7, "nothing is sent");
    assert!(server.stop().await);
}
