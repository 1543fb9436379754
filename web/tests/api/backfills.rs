//! Backfills, with how far each is.

use axum::http::StatusCode;
use rstest::rstest;
use scheduler::store::Db;
use scheduler::store::entity::dag_run;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::server::{Backend, Server, now};

const DAYS: &str = "
schedule: '@daily'
start_date: 2026-01-01
tasks: [{task_id: day, operator: bash, bash_command: echo day}]
";

async fn make(server: &Server, dag_id: &str, from_day: u32, to_day: u32) -> Value {
    let date = |day: u32| format!("2026-02-{day:02}T00:00:00Z");
    let body = json!({ "dag_id": dag_id, "from_date": date(from_day), "to_date": date(to_day) });
    let (status, made) = server.post("/backfills", &body).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    made
}

/// Has the run of a day in the state given, begun at least, as an engine would.
async fn set_state(db: &Db, dag_id: &str, day: u32, state: &str) {
    let date: chrono::DateTime<chrono::Utc> = format!("2026-02-{day:02}T00:00:00Z").parse().unwrap();
    let txn = db.begin_write().await.unwrap();
    let updated = dag_run::Entity::update_many()
        .col_expr(dag_run::Column::State, Expr::value(state))
        .col_expr(dag_run::Column::StartDate, Expr::value(now()))
        .col_expr(dag_run::Column::EndDate, Expr::value((state != "running").then(now)))
        .filter(dag_run::Column::DagId.eq(dag_id))
        .filter(dag_run::Column::LogicalDate.eq(date))
        .exec(&txn)
        .await
        .unwrap();
    assert_eq!(updated.rows_affected, 1);
    txn.commit().await.unwrap();
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn backfills_are_listed_with_how_many_of_their_runs_are_in_each_state(#[case] backend: Backend) {
    let mut server = Server::start(backend).await;
    server.write_dag("days.yaml", DAYS).await;
    server.write_dag("others.yaml", DAYS).await;
    let days = make(&server, "days", 1, 4).await;
    let others = make(&server, "others", 1, 2).await;
    set_state(&server.db, "days", 1, "success").await;
    set_state(&server.db, "days", 2, "failed").await;
    set_state(&server.db, "others", 1, "running").await;

    let all = server.get_ok("/updraft/backfills").await;
    let of_days = server.get_ok("/updraft/backfills?dag_id=days").await;
    let second = server.get_ok("/updraft/backfills?limit=1&offset=1").await;

    assert_eq!(all["total_entries"], 2);
    let ids: Vec<&Value> = all["backfills"].as_array().unwrap().iter().map(|each| &each["id"]).collect();
    assert_eq!(ids, [&others["id"], &days["id"]], "newest first");
    assert_eq!(all["backfills"][0]["runs"], json!({ "queued": 1, "running": 1, "success": 0, "failed": 0 }));
    assert_eq!(all["backfills"][0]["triggering_user_name"], "admin");
    assert_eq!(of_days["total_entries"], 1);
    assert_eq!(of_days["backfills"][0]["runs"], json!({ "queued": 2, "running": 0, "success": 1, "failed": 1 }));
    assert_eq!(of_days["backfills"][0]["from_date"], "2026-02-01T00:00:00Z");
    assert_eq!((&second["total_entries"], &second["backfills"][0]), (&json!(2), &of_days["backfills"][0]));
}

#[tokio::test]
async fn backfills_of_no_dag_are_not_found() {
    let server = Server::start(Backend::Sqlite).await;

    assert_eq!(server.get("/updraft/backfills?dag_id=none").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get_ok("/updraft/backfills").await, json!({ "backfills": [], "total_entries": 0 }));
}
