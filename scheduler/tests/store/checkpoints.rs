//! What tasks leave for themselves, and what of it nobody wants any more.

use rstest::rstest;
use scheduler::store::checkpoints::{self, Keeper};
use scheduler::store::entity::{task_checkpoint, task_instance, task_try};
use scheduler::store::runs::{self, Batch, InstanceKey};
use scheduler::store::tries::TryBatch;
use scheduler::store::{Db, commit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::pools::an_instance;
use crate::tries::a_try;
use crate::{Backend, a_run, noon, open};

/// A task instance in that state, whose first try is the last.
async fn instance(db: &Db, state: Option<&str>) -> task_instance::Model {
    let instance = task_instance::Model {
        try_number: 1,
        ..an_instance(&a_run("one", Uuid::now_v7(), None), 0, state, "default_pool", 1)
    };
    write(db, &Batch { new_instances: vec![instance.clone()], ..Batch::default() }).await;
    instance
}

async fn write(db: &Db, batch: &Batch) {
    let txn = db.begin_write().await.unwrap();
    runs::write_unowned(&txn, batch, noon()).await.unwrap();
    commit(txn).await.unwrap();
}

async fn save(db: &Db, instance: &task_instance::Model, try_number: u32, value: Value) {
    let keeper = Keeper {
        run: instance.dag_run_id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        try_number,
        dag_version: None,
    };
    let txn = db.begin_write().await.unwrap();
    checkpoints::save(&txn, &keeper, value, noon()).await.unwrap();
    commit(txn).await.unwrap();
}

fn key(instance: &task_instance::Model) -> InstanceKey {
    InstanceKey {
        dag_run_id: instance.dag_run_id,
        dag_id: instance.dag_id.clone(),
        run_id: instance.run_id.clone(),
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
    }
}

async fn withdrawn(db: &Db) -> Vec<task_checkpoint::Model> {
    checkpoints::withdrawn(db.read(), 10).await.unwrap()
}

async fn ended(db: &Db, seen: &task_checkpoint::Model) {
    let txn = db.begin_write().await.unwrap();
    checkpoints::ended(&txn, seen).await.unwrap();
    commit(txn).await.unwrap();
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_withdrawn_checkpoint_is_found_until_nothing_goes_on_any_more(#[case] backend: Backend) {
    let db = open(backend).await;
    let kept = instance(&db, Some("running")).await;
    let without = instance(&db, Some("running")).await;
    save(&db, &kept, 1, json!({ "run": 7 })).await;
    assert_eq!(withdrawn(&db).await, []);

    write(&db, &Batch { withdrawn: vec![key(&kept), key(&without)], ..Batch::default() }).await;

    let found = withdrawn(&db).await;
    assert_eq!(found.iter().map(|left| &left.value).collect::<Vec<_>>(), [&json!({ "run": 7 })]);
    assert!(checkpoints::is_withdrawn(db.read(), &found[0]).await.unwrap());
    ended(&db, &found[0]).await;
    assert!(!checkpoints::is_withdrawn(db.read(), &found[0]).await.unwrap());
    assert_eq!(withdrawn(&db).await, []);
    let value = checkpoints::load(db.read(), kept.dag_run_id, &kept.task_id, -1).await.unwrap();
    assert_eq!(value, Some(json!({ "run": 7 })), "what there was is still known");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_try_keeps_for_which_nobody_waits_is_withdrawn_from_the_beginning(#[case] backend: Backend) {
    let db = open(backend).await;
    for (state, is_withdrawn) in [
        (Some("running"), false),
        (Some("deferred"), false),
        (Some("queued"), false),
        // The process that made it was lost, and it goes on elsewhere.
        (Some("scheduled"), false),
        (Some("restarting"), true),
        (Some("success"), true),
        (Some("failed"), true),
        (Some("removed"), true),
        (None, true),
    ] {
        let instance = instance(&db, state).await;
        save(&db, &instance, 1, json!(1)).await;
        let found = withdrawn(&db).await;
        assert_eq!(found.len(), usize::from(is_withdrawn), "{state:?}");
        for left in &found {
            ended(&db, left).await;
        }
    }
    let instance = task_instance::Model { try_number: 2, ..instance(&db, Some("running")).await };
    write(&db, &Batch { instances: vec![instance.clone()], ..Batch::default() }).await;
    save(&db, &instance, 1, json!(1)).await;
    assert_eq!(withdrawn(&db).await.len(), 1, "another try has begun since");
    save(&db, &instance, 2, json!(2)).await;
    assert_eq!(withdrawn(&db).await, [], "and knows what was before it");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn it_waits_for_a_try_in_a_worker_and_spares_what_a_further_try_keeps(#[case] backend: Backend) {
    let db = open(backend).await;
    let instance = instance(&db, Some("running")).await;
    save(&db, &instance, 1, json!(1)).await;
    let handed_out =
        task_try::Model { dag_run_id: instance.dag_run_id, task_id: instance.task_id.clone(), ..a_try(None) };
    let try_id = handed_out.try_id;
    let tries = TryBatch { queued: vec![handed_out], ..TryBatch::default() };
    write(&db, &Batch { withdrawn: vec![key(&instance)], tries, ..Batch::default() }).await;
    assert_eq!(withdrawn(&db).await, [], "the worker ends what it started");

    let tries = TryBatch { done: vec![try_id], ..TryBatch::default() };
    write(&db, &Batch { tries, ..Batch::default() }).await;
    let found = withdrawn(&db).await;
    let later = task_checkpoint::Model { updated_at: noon() - chrono::TimeDelta::seconds(1), ..found[0].clone() };
    ended(&db, &later).await;

    assert_eq!(withdrawn(&db).await, found, "it has been written since it was seen");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_tasks_left_that_a_run_has_no_more_is_withdrawn(#[case] backend: Backend) {
    let db = open(backend).await;
    let (under_way, over) = (instance(&db, Some("deferred")).await, instance(&db, Some("success")).await);
    for left in [&under_way, &over] {
        save(&db, left, 1, json!(1)).await;
    }
    // That of the one that is over was withdrawn from the beginning.
    for left in withdrawn(&db).await {
        ended(&db, &left).await;
    }

    let kept = [under_way.task_id.clone()];
    write(&db, &Batch { vanished: vec![(under_way.dag_run_id, kept.to_vec())], ..Batch::default() }).await;
    assert_eq!(withdrawn(&db).await, [], "the run has the task still");
    let vanished = [&under_way, &over].map(|gone| (gone.dag_run_id, vec!["another".to_owned()]));
    write(&db, &Batch { vanished: vanished.to_vec(), ..Batch::default() }).await;

    let found = withdrawn(&db).await;
    assert_eq!(found.iter().map(|left| left.dag_run_id).collect::<Vec<_>>(), [under_way.dag_run_id]);
    let of = async |run, since| checkpoints::withdrawn_of(db.read(), &[run], since).await.unwrap();
    let before = noon() - chrono::TimeDelta::days(1);
    assert_eq!(of(under_way.dag_run_id, before).await.as_ref(), found.first());
    assert_eq!(of(under_way.dag_run_id, noon()).await, None, "it has waited for long enough");
    assert_eq!(of(over.dag_run_id, before).await, None);
    let was_withdrawn = async |of: &InstanceKey| checkpoints::was_withdrawn_after(db.read(), before, of).await.unwrap();
    assert!(was_withdrawn(&key(&under_way)).await);
    assert!(!was_withdrawn(&InstanceKey { task_id: "another".to_owned(), ..key(&under_way) }).await);
}
