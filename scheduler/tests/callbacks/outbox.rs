//! What the store promises of callbacks that wait, on both databases.

use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;
use scheduler::store::callbacks::Attempted;
use scheduler::store::entity::{callback_request, dag_run, deadline};
use scheduler::store::leases::{self, Holder, Offer};
use scheduler::store::{StoreError, callbacks, commit, deadlines};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::world::{Backend, World, noon};

const ONE: &str = "one:\n  tasks: []\n";

fn request(run: &dag_run::Model, due_at: DateTime<Utc>) -> callback_request::Model {
    let called = callbacks::called(run, "on_success_callback", 0, serde_json::json!({}), noon());
    callback_request::Model { due_at, ..called }
}

async fn lease(world: &World, instance: &str) -> Uuid {
    let txn = world.db.begin_write().await.unwrap();
    let offer = Offer { queues: Vec::new(), concurrency: 1 };
    let lease = leases::register(&txn, &Holder::alone(instance, "here"), &offer, noon()).await.unwrap();
    commit(txn).await.unwrap();
    lease
}

async fn claim(world: &World, lease: Uuid, limit: u64) -> Result<Vec<Uuid>, StoreError> {
    let txn = world.db.begin_write().await?;
    let claimed = callbacks::claim(&txn, lease, noon(), limit).await?;
    commit(txn).await?;
    Ok(claimed.into_iter().map(|row| row.id).collect())
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn two_processes_get_different_callbacks_and_those_of_a_dead_one_are_free(#[case] backend: Backend) {
    let world = World::asleep(backend, ONE).await;
    let run = world.trigger("one", "one").await;
    let rows: Vec<_> =
        (0..6).map(|_| request(&run, noon())).chain([request(&run, noon() + TimeDelta::hours(1))]).collect();
    let txn = world.db.begin_write().await.unwrap();
    callbacks::insert(&txn, &rows).await.unwrap();
    commit(txn).await.unwrap();
    let (one, other) = (lease(&world, "one").await, lease(&world, "other").await);

    let (first, second) = tokio::join!(claim(&world, one, 4), claim(&world, other, 4));
    let (first, second) = (first.unwrap(), second.unwrap());

    assert_eq!(first.len() + second.len(), 6, "what is due, once: {first:?} {second:?}");
    assert!(first.iter().all(|id| !second.contains(id)));
    assert!(claim(&world, one, 4).await.unwrap().is_empty(), "nothing else is due");
    assert_eq!(callbacks::next_due(world.db.read()).await.unwrap(), Some(noon() + TimeDelta::hours(1)));

    let txn = world.db.begin_write().await.unwrap();
    leases::lapse(&txn, Some(other), "other", &[one]).await.unwrap();
    commit(txn).await.unwrap();
    let mut freed = claim(&world, other, 10).await.unwrap();
    freed.sort();
    let mut of_the_dead = first;
    of_the_dead.sort();
    assert_eq!(freed, of_the_dead);
    assert!(matches!(claim(&world, one, 1).await, Err(StoreError::Fenced)));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_callback_that_another_process_has_claimed_is_not_put_off(#[case] backend: Backend) {
    let world = World::asleep(backend, ONE).await;
    let run = world.trigger("one", "one").await;
    let row = request(&run, noon());
    let txn = world.db.begin_write().await.unwrap();
    callbacks::insert(&txn, std::slice::from_ref(&row)).await.unwrap();
    commit(txn).await.unwrap();
    let (one, other) = (lease(&world, "one").await, lease(&world, "other").await);
    claim(&world, one, 1).await.unwrap();

    let txn = world.db.begin_write().await.unwrap();
    let attempt = Attempted { id: row.id, attempts: 1, notifier: None, receiver: None, error: Some("away") };
    callbacks::put_off(&txn, other, &attempt, noon() + TimeDelta::hours(1)).await.unwrap();
    commit(txn).await.unwrap();

    assert_eq!(world.outbox(&run).await[0].attempts, 0);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_deadline_is_missed_once_whoever_looks(#[case] backend: Backend) {
    let world = World::asleep(backend, ONE).await;
    let run = world.trigger("one", "one").await;
    let row = |position, deadline_time| deadline::Model {
        id: Uuid::now_v7(),
        dag_run_id: run.id,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        position,
        name: None,
        deadline_time,
        is_missed: false,
        created_at: noon(),
    };
    let later = noon() + TimeDelta::hours(1);
    let txn = world.db.begin_write().await.unwrap();
    deadlines::upsert(&txn, &[row(0, noon()), row(1, noon()), row(2, later)]).await.unwrap();
    commit(txn).await.unwrap();
    let take = || async {
        let txn = world.db.begin_write().await.unwrap();
        let missed = deadlines::take_missed(&txn, noon(), 10).await.unwrap();
        commit(txn).await.unwrap();
        missed.len()
    };

    let (one, other) = tokio::join!(take(), take());

    assert_eq!(one + other, 2);
    assert_eq!(deadlines::next(world.db.read()).await.unwrap(), Some(later));
    let txn = world.db.begin_write().await.unwrap();
    deadlines::forget_met(&txn, run.id, later).await.unwrap();
    commit(txn).await.unwrap();
    let left: Vec<_> = world.deadlines(&run).await.iter().map(|row| row.position).collect();
    assert_eq!(left, [0, 1], "what was missed stays, what was met goes");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_run_that_is_deleted_has_nothing_left_to_tell(#[case] backend: Backend) {
    let world = World::asleep(backend, ONE).await;
    let run = world.trigger("one", "one").await;
    let txn = world.db.begin_write().await.unwrap();
    callbacks::insert(&txn, &[request(&run, noon())]).await.unwrap();
    commit(txn).await.unwrap();

    let txn = world.db.begin_write().await.unwrap();
    dag_run::Entity::delete_by_id(run.id).exec(&txn).await.unwrap();
    commit(txn).await.unwrap();

    assert!(world.outbox(&run).await.is_empty());
}
