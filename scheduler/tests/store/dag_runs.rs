//! How runs are written: one and many, whether they have much to say or nothing.

use rstest::rstest;
use scheduler::store::entity::dag_run;
use scheduler::store::runs::{self, Batch};
use scheduler::store::{Db, commit};
use uuid::Uuid;

use crate::{Backend, a_run, lead, noon, open};

/// A row in which everything that may be absent is there.
fn full(row: &dag_run::Model) -> dag_run::Model {
    let at = Some(noon());
    dag_run::Model {
        state: "failed".to_owned(),
        start_date: at,
        end_date: at,
        queued_at: at,
        last_scheduling_decision: at,
        dag_version_id: Uuid::now_v7(),
        decided_state: Some("failed".to_owned()),
        clear_number: 2,
        owner: Some(Uuid::now_v7()),
        reason: Some("it's late; \"so\" \\{what}?\n…".to_owned()),
        ..row.clone()
    }
}

async fn stored(db: &Db, rows: &[dag_run::Model]) -> Vec<dag_run::Model> {
    let mut found = Vec::new();
    for row in rows {
        found.push(runs::get(db.read(), &row.dag_id, &row.run_id).await.unwrap());
    }
    found
}

/// Few and many are sent in different ways, and come to the same.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_changed_is_written_of_the_runs_that_it_is_said_of(
    #[case] backend: Backend,
    #[values(1, 60, 1200)] count: usize,
) {
    let db = open(backend).await;
    let lease = lead(&db, "home", &[]).await.unwrap();
    let version = Uuid::now_v7();
    let new: Vec<dag_run::Model> = (0..=count).map(|at| a_run(&format!("run {at}"), version, None)).collect();
    let (other, changed) = new.split_first().unwrap();
    let txn = db.begin_write().await.unwrap();
    runs::insert_new(&txn, new.clone()).await.unwrap();
    commit(txn).await.unwrap();

    let full: Vec<dag_run::Model> = changed.iter().map(full).collect();
    for rows in [&full, &changed.to_vec()] {
        let txn = db.begin_engine().await.unwrap();
        runs::write(&txn, lease, &Batch { runs: rows.clone(), ..Batch::default() }, noon()).await.unwrap();
        commit(txn).await.unwrap();
        assert_eq!(stored(&db, rows).await, *rows);
        assert_eq!(stored(&db, std::slice::from_ref(other)).await, std::slice::from_ref(other));
    }
}
