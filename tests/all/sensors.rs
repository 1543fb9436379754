//! Sensors from outside: what waits holds no slot and no process, and goes on waiting whatever becomes of the server.

use chrono::{DateTime, Utc};
use rstest::rstest;
use scheduler::store::entity::task_instance;
use scheduler::store::{Db, runs};

use crate::server::{Backend, Installation, Server, eventually, finished, instances};

/// More often than a try may be lost before that counts.
const KILLS: usize = 5;

struct World {
    installation: Installation,
    db: Db,
}

impl World {
    /// A sensor for a file, whose pool has one slot; and a task that wants the slot, too.
    async fn new(backend: Backend, keys: &str) -> World {
        let installation = Installation::new(backend).await;
        let file = installation.path().join("arrived");
        let text = format!(
            "default_args: {{pool: narrow}}\ntasks:\n  - {{task_id: arrives, operator: file_sensor, filepath: '{}', \
             poke_interval: 200ms, priority_weight: 10{keys}}}\n  - {{task_id: other, operator: bash, bash_command: echo \
             here}}\n  - {{task_id: then, operator: empty, dependencies: [arrives]}}\n",
            file.display()
        );
        installation.write_dag("waits.yaml", &text);
        std::fs::create_dir_all(installation.home()).unwrap();
        let db = installation.database().await;
        db.migrate().await.unwrap();
        World { installation, db }
    }

    async fn trigger(&self) {
        self.installation.json(&["pools", "set", "narrow", "1"]).await;
        self.installation.json(&["dags", "trigger", "waits", "--run-id", "one"]).await;
    }

    async fn instance(&self, task_id: &str) -> Option<task_instance::Model> {
        let run = runs::find(self.db.read(), "waits", "one").await.unwrap()?;
        instances(&self.db, &run).await.into_iter().find(|instance| instance.task_id == task_id)
    }

    /// The sensor, once it waits in that process.
    async fn deferred_in(&self, process: &Server) -> task_instance::Model {
        self.waits_in(process, "deferred").await
    }

    /// The sensor, once it waits in that process and in that state.
    async fn waits_in(&self, process: &Server, state: &str) -> task_instance::Model {
        let pid = process.pid();
        eventually(&format!("a sensor that is {state}"), || async {
            let instance = self.instance("arrives").await?;
            let is_there = instance.pid.is_some_and(|found| found.to_string() == pid);
            (is_there && instance.state.as_deref() == Some(state)).then_some(instance)
        })
        .await
    }

    async fn ended(&self, task_id: &str) -> task_instance::Model {
        eventually(&format!("the end of {task_id}"), || async {
            let instance = self.instance(task_id).await?;
            matches!(instance.state.as_deref(), Some("success" | "failed" | "skipped")).then_some(instance)
        })
        .await
    }

    fn arrive(&self) {
        std::fs::write(self.installation.path().join("arrived"), "").unwrap();
    }

    /// What the try has said.
    async fn log(&self) -> String {
        self.installation.json(&["tasks", "logs", "waits", "one", "arrives"]).await.to_string()
    }
}

/// It is the same try as before: nothing was counted, and its time goes on.
fn is_same_try(instance: &task_instance::Model, begun: Option<DateTime<Utc>>) {
    assert_eq!((instance.try_number, instance.lost_tries, instance.start_date), (1, 0, begun));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_sensor_gives_up_its_slot_and_goes_on_after_each_kill(#[case] backend: Backend) {
    let world = World::new(backend, "").await;
    let mut server = world.installation.start().await;
    world.trigger().await;

    let begun = world.deferred_in(&server).await.start_date;
    let reason = world.instance("arrives").await.unwrap().reason.unwrap_or_default();
    assert!(reason.starts_with("waits for file ") && reason.ends_with("; looks again every 0.2s"), "{reason}");
    assert_eq!(world.ended("other").await.state.as_deref(), Some("success"), "the only slot is free");
    let why = world.installation.json(&["tasks", "why", "waits", "one"]).await;
    assert!(why.to_string().contains("waits for file "), "{why}");
    let pool = world.installation.json(&["pools", "get", "narrow"]).await;
    assert_eq!((&pool["deferred_slots"], &pool["open_slots"]), (&1.into(), &1.into()), "{pool}");
    for _ in 0..KILLS {
        server.kill().await;
        server = world.installation.start().await;
        is_same_try(&world.deferred_in(&server).await, begun);
    }
    world.arrive();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    let instance = world.instance("arrives").await.unwrap();
    is_same_try(&instance, begun);
    assert_eq!((instance.deferred_at, instance.reason), (None, None));
    assert_eq!(world.log().await.matches("Try 1 of task").count(), KILLS + 1, "one log tells all of it");
    assert!(server.stop().await);
}

/// Airflow 3: §3. With `mode: reschedule` it is `up_for_reschedule`, takes no slot of a pool whatever that counts, and its try
/// keeps its number.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_sensor_may_be_up_for_reschedule(#[case] backend: Backend) {
    let world = World::new(backend, ", mode: reschedule").await;
    let mut server = world.installation.start().await;
    world.installation.json(&["pools", "set", "narrow", "1", "--include-deferred"]).await;
    world.installation.json(&["dags", "trigger", "waits", "--run-id", "one"]).await;

    let begun = world.waits_in(&server, "up_for_reschedule").await.start_date;
    assert_eq!(world.ended("other").await.state.as_deref(), Some("success"), "the only slot is free");
    let pool = world.installation.json(&["pools", "get", "narrow"]).await;
    assert_eq!((&pool["deferred_slots"], &pool["open_slots"]), (&0.into(), &1.into()), "{pool}");
    let why = world.installation.json(&["tasks", "why", "waits", "one"]).await.to_string();
    assert!(why.contains("Ready To Reschedule") && why.contains("waits for file "), "{why}");
    server.kill().await;
    server = world.installation.start().await;
    is_same_try(&world.waits_in(&server, "up_for_reschedule").await, begun);
    world.arrive();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    is_same_try(&world.instance("arrives").await.unwrap(), begun);
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_server_that_is_told_to_stop_does_not_wait_for_sensors(#[case] backend: Backend) {
    let world = World::new(backend, "").await;
    // Longer than anybody here waits for its end.
    let first = world.installation.start_with(&["--grace-secs", "600"]).await;
    world.trigger().await;
    let begun = world.deferred_in(&first).await.start_date;
    world.ended("other").await;

    assert!(first.stop().await);
    let second = world.installation.start().await;
    is_same_try(&world.deferred_in(&second).await, begun);
    world.arrive();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert!(second.stop().await);
}

#[tokio::test]
async fn marking_a_sensor_ends_its_waiting() {
    let world = World::new(Backend::Sqlite, "").await;
    let server = world.installation.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;

    world.installation.json(&["tasks", "mark", "waits", "one", "arrives", "success"]).await;

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    eventually("the end of the try", || async { world.log().await.contains("Stopped from outside").then_some(()) })
        .await;
    assert_eq!(world.instance("arrives").await.unwrap().state.as_deref(), Some("success"));
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_cleared_sensor_waits_anew() {
    let world = World::new(Backend::Sqlite, "").await;
    let server = world.installation.start().await;
    world.trigger().await;
    world.deferred_in(&server).await;

    world.installation.json(&["tasks", "clear", "waits", "one", "arrives", "--yes"]).await;

    eventually("the second try", || async {
        let instance = world.instance("arrives").await?;
        (instance.try_number == 2 && instance.state.as_deref() == Some("deferred")).then_some(())
    })
    .await;
    world.arrive();
    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    assert!(server.stop().await);
}

#[tokio::test]
async fn the_time_before_a_kill_counts_towards_the_timeout() {
    let world = World::new(Backend::Sqlite, ", timeout: 12s, retries: 5").await;
    let server = world.installation.start().await;
    // It may wait for a part of its time only before the command has ended.
    let ((), deferred) = tokio::join!(world.trigger(), world.deferred_in(&server));
    let begun = deferred.start_date;

    server.kill().await;
    let server = world.installation.start().await;

    let instance = world.ended("arrives").await;
    assert_eq!((instance.state.as_deref(), instance.try_number), (Some("failed"), 1), "no retry helps");
    let error = instance.error.unwrap_or_default();
    assert!(error.contains("longer than its timeout of 12s"), "{error}");
    assert_eq!(instance.start_date, begun);
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_sensor_waits_for_a_task_of_another_dag() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("before.yaml", "tasks: [{task_id: load, operator: bash, bash_command: 'true'}]\n");
    let waits = "tasks:\n  - {task_id: waits, operator: ExternalTaskSensor, external_dag_id: before, external_task_id: \
                 load, execution_delta: 1h, poke_interval: 200ms, check_existence: true}\n";
    installation.write_dag("after.yaml", waits);
    let server = installation.start().await;
    let db = installation.database().await;
    let trigger = async |dag_id: &str, date: &str| {
        installation.json(&["dags", "trigger", dag_id, "--run-id", "one", "--logical-date", date]).await;
    };
    trigger("after", "2026-01-02T03:00:00Z").await;
    let run = runs::get(db.read(), "after", "one").await.unwrap();
    let reason = eventually("the reason", || async {
        let found = instances(&db, &run).await;
        let deferred = found.first().filter(|instance| instance.state.as_deref() == Some("deferred"))?;
        deferred.reason.clone()
    })
    .await;
    assert_eq!(reason, "waits for task load of DAG before at 2026-01-02T02:00:00Z; looks again every 0.2s");

    trigger("before", "2026-01-02T02:00:00Z").await;

    assert_eq!(finished(&db, "after", "one").await.state, "success");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_sensor_frees_its_worker_and_goes_on_in_another_one() {
    let world = World::new(Backend::Postgres, "").await;
    let scheduler = world.installation.start_role("scheduler", &[]).await;
    // It has longer to stop than anybody here waits for its end.
    let one_slot = ["--concurrency", "1", "--lease-secs", "6", "--grace-secs", "600"];
    let first = world.installation.start_role("worker", &one_slot).await;
    world.trigger().await;
    let begun = world.deferred_in(&first).await.start_date;
    assert_eq!(world.ended("other").await.pid.map(|pid| pid.to_string()), Some(first.pid()), "its slot is free");

    let mut worker = first;
    for kills in [true, true, true, true, false] {
        let next = world.installation.start_role("worker", &one_slot).await;
        if kills {
            worker.kill().await;
        } else {
            assert!(worker.stop().await);
        }
        is_same_try(&world.deferred_in(&next).await, begun);
        worker = next;
    }
    world.arrive();

    assert_eq!(finished(&world.db, "waits", "one").await.state, "success");
    is_same_try(&world.instance("arrives").await.unwrap(), begun);
    assert!(worker.stop().await && scheduler.stop().await);
}

#[tokio::test]
async fn a_sensor_outlives_its_scheduler_in_its_worker_and_is_stopped_there() {
    let world = World::new(Backend::Postgres, "").await;
    let leader = world.installation.start_role("scheduler", &[]).await;
    let worker = world.installation.start_role("worker", &[]).await;
    world.trigger().await;
    let before = world.deferred_in(&worker).await;
    world.ended("other").await;

    leader.kill().await;
    let leader = world.installation.start_role("scheduler", &[]).await;
    world.installation.json(&["tasks", "mark", "waits", "one", "arrives", "failed"]).await;

    assert_eq!(finished(&world.db, "waits", "one").await.state, "failed");
    let instance = world.instance("arrives").await.unwrap();
    assert_eq!((instance.state.as_deref(), instance.try_id), (Some("failed"), before.try_id), "it was not made again");
    eventually("the end of the try", || async { world.log().await.contains("Stopped from outside").then_some(()) })
        .await;
    assert!(worker.stop().await && leader.stop().await);
}
