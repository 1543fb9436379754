//! What tries started elsewhere and nobody wants any more, after a restart.

use rstest::rstest;
use scheduler::store::checkpoints::{self, Keeper};
use scheduler::store::commit;
use scheduler::store::entity::event_log;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Backend, World};

/// Only a version says how what was started with it is ended. Without it people have to, and must hear of it.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_nobody_can_end_any_more_is_told_in_the_audit_log(#[case] backend: Backend) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    world.dag("dag", "tasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;
    let run = world.trigger("dag", "one").await;
    world.become_states("dag", &["success"]).await;
    let keeper = Keeper {
        run: run.id,
        task_id: "a".to_owned(),
        map_index: -1,
        try_number: 1,
        dag_version: Some(Uuid::now_v7()),
    };
    let txn = world.db.begin_write().await.unwrap();
    checkpoints::save(&txn, &keeper, json!({ "run_id": 7 }), world.clock.now()).await.unwrap();
    commit(txn).await.unwrap();

    let world = world.restart("2026-11-21T06:00:00Z").await;

    let told = world
        .eventually("what is told", || async {
            let given_up = event_log::Column::Event.eq("give_up_withdrawal");
            event_log::Entity::find().filter(given_up).one(world.db.read()).await.unwrap()
        })
        .await;
    assert_eq!((told.run_id.as_deref(), told.task_id.as_deref()), (Some("one"), Some("a")));
    let extra: Value = serde_json::from_str(&told.extra.unwrap()).unwrap();
    assert_eq!(extra["left"], json!({ "run_id": 7 }), "so that a person can end it");
    assert!(extra["because"].as_str().unwrap().contains("version"), "{extra}");
    assert_eq!(checkpoints::withdrawn(world.db.read(), 1).await.unwrap(), []);
}
