//! Deliveries that fail, wait, and go on after a restart.

use std::time::Duration;

use chrono::TimeDelta;
use rstest::rstest;
use scheduler::control::ControlError;
use scheduler::store::entity::event_log;
use sea_orm::EntityTrait;

use crate::world::{Answer, Backend, World, noon};

const FAILS: &str = r#"
fails:
  params: {token: {default: "s3cret"}}
  tasks:
    only:
      operator: script
      does: [fail, ok]
      retries: 1
      retry_delay: 0s
      on_retry_callback: {fake: "try {{ ti.try_number }} {{ ti.state }} {{ exception }} {{ params.token }}"}
"#;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_delivery_that_fails_is_tried_again_and_tells_how_it_was_then(#[case] backend: Backend) {
    let world = World::new(backend, FAILS).await;
    world.recorder.answer([Answer::Retry, Answer::Panic]);
    let run = world.run("fails", "one").await;
    for attempt in 1..=2 {
        let waiting = waiting(&world, &run, attempt).await;
        assert!(waiting.due_at > world.clock.now(), "it waits");
        assert!(!waiting.facts.to_string().contains("s3cret"), "what may be secret is filled in at delivery");
        world.advance(TimeDelta::minutes(1));
    }

    let told = world.recorder.wait_for(1).await;
    world.all_told(&run).await;

    assert_eq!(
        told,
        ["on_retry_callback only: try 1 up_for_retry try 1 broke s3cret"],
        "the second try is over by then"
    );
    let of_callback = world
        .eventually("the last line about it", || async {
            let mut log = world.log(&run, "only", 1);
            log.retain(|line| line.contains("on_retry_callback"));
            (log.len() >= 3).then_some(log)
        })
        .await;
    assert_eq!(
        of_callback,
        [
            "on_retry_callback through `fake` was not delivered, trying again at 2026-11-21T12:00:02Z: the receiver is away",
            "on_retry_callback through `fake` was not delivered, trying again at 2026-11-21T12:01:04Z: the notifier broke down",
            "delivered on_retry_callback through `fake`",
        ]
    );
}

/// Waits until a callback waits for another attempt.
async fn waiting(
    world: &World,
    run: &scheduler::store::entity::dag_run::Model,
    attempts: i32,
) -> scheduler::store::entity::callback_request::Model {
    world
        .eventually("a failed attempt", || async {
            let outbox = world.outbox(run).await;
            outbox.into_iter().find(|row| row.attempts == attempts && row.claimed_by.is_none())
        })
        .await
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_cannot_be_delivered_is_in_the_audit_log_and_in_that_of_the_try(#[case] backend: Backend) {
    let world = World::new(backend, FAILS).await;
    world.recorder.answer([Answer::Fail]);

    let run = world.run("fails", "one").await;
    world.all_told(&run).await;

    let events = event_log::Entity::find().all(world.db.read()).await.unwrap();
    let failed: Vec<_> = events.iter().filter(|event| event.event == "callback_failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].dag_id.as_deref(), failed[0].run_id.as_deref()), (Some("fails"), Some("one")));
    assert_eq!((failed[0].task_id.as_deref(), failed[0].try_number), (Some("only"), Some(1)));
    let message = "callback failed: on_retry_callback through `fake`, attempt 1: there is no such receiver";
    assert!(failed[0].extra.as_ref().unwrap().contains(message), "{failed:?}");
    world
        .eventually("the line in the log", || async {
            world.log(&run, "only", 1).iter().any(|line| line == message).then_some(())
        })
        .await;
    assert_eq!(world.recorder.count(), 0);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_became_of_a_callback_is_seen_and_what_was_given_up_is_told_again(#[case] backend: Backend) {
    let world = World::new(backend, FAILS).await;
    world.recorder.answer([Answer::Fail, Answer::Retry]);
    let run = world.run("fails", "one").await;
    world.all_told(&run).await;
    let [failed] = world.callbacks(&run).await.try_into().unwrap();
    assert_eq!((failed.state.as_str(), failed.attempts, failed.ended_at), ("failed", 1, Some(noon())));
    assert_eq!(failed.error.as_deref(), Some("there is no such receiver"));
    assert_eq!(failed.notifier.as_deref(), Some("fake"));
    assert_eq!(failed.receiver.as_deref(), Some("the test"));

    // It is given up after a day; a day that begins anew now.
    world.advance(TimeDelta::days(2));
    let retried = world.retry(failed.id).await.unwrap();
    assert_eq!((retried.state.as_str(), retried.attempts, retried.ended_at), ("waiting", 0, None));
    let again = waiting(&world, &run, 1).await;
    assert_eq!(again.error.as_deref(), Some("the receiver is away"));
    assert_eq!(world.recorder.count(), 0);
    world.retry(failed.id).await.unwrap();

    assert_eq!(world.recorder.wait_for(1).await.len(), 1, "without waiting for the attempt that was due later");
    world.all_told(&run).await;
    let [told] = world.callbacks(&run).await.try_into().unwrap();
    assert_eq!((told.state.as_str(), told.error.as_deref()), ("delivered", None));
    let refused = world.retry(failed.id).await.unwrap_err();
    assert!(matches!(refused, ControlError::Conflict(_)), "{refused}");
    assert!(matches!(world.retry(run.id).await.unwrap_err(), ControlError::NotFound { .. }));
    let events = event_log::Entity::find().all(world.db.read()).await.unwrap();
    let retries: Vec<_> = events.iter().filter(|event| event.event == "retry_callback").collect();
    assert_eq!(retries.iter().map(|event| event.owner.as_deref()).collect::<Vec<_>>(), [Some("ann"), Some("ann")]);
}

#[tokio::test]
async fn after_a_day_it_is_given_up() {
    let world = World::new(Backend::Sqlite, FAILS).await;
    world.recorder.answer([Answer::Retry, Answer::Retry]);
    let run = world.run("fails", "one").await;
    waiting(&world, &run, 1).await;

    world.advance(TimeDelta::days(1));
    world.all_told(&run).await;

    assert_eq!(world.recorder.count(), 0);
    let events = event_log::Entity::find().all(world.db.read()).await.unwrap();
    assert!(events.iter().any(|event| event.event == "callback_failed"));
}

#[tokio::test]
async fn a_receiver_says_when_to_come_back() {
    let world = World::new(Backend::Sqlite, FAILS).await;
    world.recorder.answer([Answer::RetryAfter(Duration::from_secs(600))]);
    let run = world.run("fails", "one").await;

    let waiting = waiting(&world, &run, 1).await;

    assert_eq!(waiting.due_at, noon() + TimeDelta::minutes(10));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_waits_survives_a_restart(#[case] backend: Backend) {
    let mut world = World::new(backend, FAILS).await;
    world.recorder.answer([Answer::Retry]);
    let run = world.run("fails", "one").await;
    waiting(&world, &run, 1).await;

    world.stop().await;
    world.advance(TimeDelta::minutes(1));
    assert_eq!(world.recorder.count(), 0);
    world.start().await;

    world.recorder.wait_for(1).await;
    world.all_told(&run).await;
    assert_eq!(world.recorder.count(), 1);
}

const WRONG_TEMPLATE: &str = r#"
wrong:
  on_success_callback: [{fake: "{{ dag_run.conf.missing }}"}, {fake: fine}]
  tasks: {only: {operator: script, does: [ok]}}
"#;

#[tokio::test]
async fn a_callback_that_cannot_be_filled_in_keeps_no_other_from_being_told() {
    let world = World::new(Backend::Sqlite, WRONG_TEMPLATE).await;

    let run = world.run("wrong", "one").await;
    world.all_told(&run).await;

    assert_eq!(world.recorder.wait_for(1).await, ["on_success_callback only: fine"]);
    let events = event_log::Entity::find().all(world.db.read()).await.unwrap();
    let failed: Vec<_> = events.into_iter().filter(|event| event.event == "callback_failed").collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].extra.as_ref().unwrap().contains("dag_run.conf.missing"), "{failed:?}");
}

#[tokio::test]
async fn more_callbacks_than_are_delivered_at_a_time_are_all_delivered() {
    let many = "many:\n  on_success_callback: ["
        .chars()
        .chain((0..100).flat_map(|n| format!("{{fake: 'number {n}'}}, ").chars().collect::<Vec<_>>()))
        .chain("]\n  tasks: {only: {operator: script, does: [ok]}}\n".chars())
        .collect::<String>();
    let world = World::new(Backend::Sqlite, &many).await;

    let run = world.run("many", "one").await;
    world.recorder.wait_for(100).await;
    world.all_told(&run).await;

    assert_eq!(world.recorder.told().len(), 100, "each once");
}
