//! Who is told what (airflow-semantics.md §12).

use chrono::TimeDelta;
use rstest::rstest;
use scheduler::run::RunState;

use crate::world::{Backend, World};

const EVERYTHING: &str = r#"
all:
  on_success_callback: {fake: "{{ reason }} {{ dag_run.state }}"}
  on_failure_callback: [{fake: "{{ reason }}, {{ exception }}"}, {fake: "{{ ti.log_url }}"}]
  default_args:
    retry_delay: 0s
    on_execute_callback: {fake: "try {{ ti.try_number }}"}
    on_success_callback: {fake: "{{ ti.state }} {{ ti.xcom_pull(task_ids=task.task_id) }}"}
    on_failure_callback: {fake: "{{ ti.state }}: {{ exception }}"}
    on_retry_callback: {fake: "try {{ ti.try_number }}: {{ exception }}, {{ ti.state }}"}
    on_skipped_callback: {fake: "{{ exception }}"}
  tasks:
    good: {operator: script, does: [ok]}
    flaky: {operator: script, does: [fail, ok], retries: 3}
    broken: {operator: script, does: [fail], retries: 1}
    skips: {operator: script, does: [skip]}
    skipped_by_rule: {operator: script, does: [ok], dependencies: [skips]}
    upstream_failed: {operator: script, does: [ok], dependencies: [broken]}
    silent: {operator: script, does: [ok], on_execute_callback: [], on_success_callback: null}
fine:
  on_success_callback: {fake: "{{ reason }} {{ dag_run.state }} {{ ti.task_id }}"}
  on_failure_callback: {fake: "{{ reason }}"}
  tasks: {only: {operator: script, does: [ok]}}
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn each_occasion_is_told_to_whom_it_concerns(#[case] backend: Backend) {
    let world = World::new(backend, EVERYTHING).await;

    let run = world.run("all", "one").await;
    let told = world.recorder.wait_for(14).await;

    let url = "http://localhost:8080/dags/all/runs/one/tasks/broken";
    assert_eq!(
        told,
        [
            "on_execute_callback broken: try 1",
            "on_execute_callback broken: try 2",
            "on_execute_callback flaky: try 1",
            "on_execute_callback flaky: try 2",
            "on_execute_callback good: try 1",
            "on_execute_callback skips: try 1",
            "on_failure_callback broken: failed: try 2 broke",
            &format!("on_failure_callback broken: {url}"),
            "on_failure_callback broken: task_failure, try 2 broke",
            "on_retry_callback broken: try 1: try 1 broke, up_for_retry",
            "on_retry_callback flaky: try 1: try 1 broke, up_for_retry",
            "on_skipped_callback skips: nothing to do",
            "on_success_callback flaky: success well done",
            "on_success_callback good: success well done",
        ]
        .map(str::to_owned)
    );
    world.all_told(&run).await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_succeeds_says_so(#[case] backend: Backend) {
    let world = World::new(backend, EVERYTHING).await;

    world.run("fine", "one").await;

    assert_eq!(world.recorder.wait_for(1).await, ["on_success_callback only: success success only"]);
}

const HELD: &str = r#"
held:
  dagrun_timeout: 1h
  on_success_callback: {fake: "{{ reason }}"}
  on_failure_callback: {fake: "{{ reason }}"}
  default_args:
    on_success_callback: {fake: "{{ ti.state }}"}
    on_failure_callback: {fake: "{{ ti.state }}"}
    on_skipped_callback: {fake: "{{ ti.state }}"}
  tasks:
    holds: {operator: script, does: [hold]}
    after: {operator: script, does: [ok], dependencies: [holds]}
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_takes_too_long_says_that(#[case] backend: Backend) {
    let world = World::new(backend, HELD).await;
    let run = world.trigger("held", "one").await;
    world.task_is(&run, "holds", "running").await;

    world.advance(TimeDelta::minutes(61));
    world.finished("held", "one").await;
    world.recorder.wait_for(1).await;
    world.all_told(&run).await;

    let told = world.recorder.told();
    assert_eq!(told.len(), 1, "no task is told of: {told:?}");
    assert!(told.iter().all(|line| line.ends_with(": timed_out")), "{told:?}");
}

#[rstest]
#[case::success(RunState::Success)]
#[case::failed(RunState::Failed)]
#[tokio::test]
async fn marks_of_people_tell_nobody(#[case] state: RunState) {
    let world = World::new(Backend::Sqlite, HELD).await;
    let run = world.trigger("held", "one").await;
    world.task_is(&run, "holds", "running").await;

    world.mark("held", "one", state).await;

    // What is told is written with the mark, so there is nothing to wait for.
    assert_eq!(runs_state(&world).await, state.word());
    assert!(world.outbox(&run).await.is_empty());
    assert_eq!(world.recorder.count(), 0);
}

async fn runs_state(world: &World) -> String {
    scheduler::store::runs::get(world.db.read(), "held", "one").await.unwrap().state
}

const MAPPED: &str = r#"
mapped:
  tasks:
    many:
      operator: script
      expand: {does: [[ok], [give_up]]}
      on_success_callback: {fake: "{{ ti.map_index }} {{ ti.log_url }}"}
      on_failure_callback: {fake: "{{ ti.map_index }} {{ exception }}"}
"#;

#[tokio::test]
async fn each_instance_of_a_mapped_task_tells_of_itself() {
    let world = World::new(Backend::Sqlite, MAPPED).await;

    world.run("mapped", "one").await;

    let url = "http://localhost:8080/dags/mapped/runs/one/tasks/many";
    let expected = [format!("on_success_callback many: 0 {url}"), "on_failure_callback many: 1 hopeless".to_owned()];
    let told = world.recorder.wait_for(2).await;
    assert_eq!(told.len(), 2);
    assert!(expected.iter().all(|line| told.contains(line)), "{told:?}");
}

const WAITS: &str = r#"
waits:
  tasks:
    only:
      operator: script
      does: [wait]
      on_execute_callback: {fake: "try {{ ti.try_number }}"}
      on_success_callback: {fake: "{{ ti.state }}"}
"#;

/// It is the same try, which began once, however many processes it waits in.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn that_a_deferred_try_begins_is_not_told_again_when_it_goes_on_elsewhere(#[case] backend: Backend) {
    let mut world = World::new(backend, WAITS).await;
    let run = world.trigger("waits", "one").await;
    for restart in 1..=2 {
        world.task_is(&run, "only", "deferred").await;
        world.stop().await;
        world.start().await;
        world
            .eventually("the try that goes on", || async {
                let said = world.log(&run, "only", 1);
                (said.iter().filter(|line| line.contains("goes on in another process")).count() == restart)
                    .then_some(())
            })
            .await;
    }

    world.let_go();
    world.finished("waits", "one").await;
    world.all_told(&run).await;

    let told = world.recorder.wait_for(2).await;
    assert_eq!(told, ["on_execute_callback only: try 1", "on_success_callback only: success"]);
}
