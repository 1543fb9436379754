//! What tasks ask of people, and answering it.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use rstest::rstest;
use scheduler::dag::params;
use scheduler::operator::{Question, Respondent};
use scheduler::store::entity::{dag_run, task_instance};
use scheduler::store::hitl_details::{self, Asker};
use scheduler::store::{Db, commit};
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server, now};

const PATH: &str = "/dags/sales/dagRuns/a/taskInstances/extract/-1/hitlDetails";

pub(crate) fn question(subject: &str) -> Question {
    Question {
        subject: subject.to_owned(),
        body: Some("**Three** rows".to_owned()),
        options: vec!["Approve".to_owned(), "Reject".to_owned()],
        defaults: None,
        multiple: false,
        params: [("rows".to_owned(), params::read(&json!({ "type": "integer", "default": 3 })).unwrap())].into(),
        assigned_users: Vec::new(),
    }
}

pub(crate) async fn ask(db: &Db, instance: &task_instance::Model, question: &Question) {
    let asker = Asker {
        run: instance.dag_run_id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        try_number: instance.try_number,
    };
    let txn = db.begin_write().await.unwrap();
    hitl_details::ask(&txn, &asker, question, now()).await.unwrap();
    commit(txn).await.unwrap();
}

/// A question of `extract` that waits for its answer.
pub(crate) async fn asked(db: &Db, run: &dag_run::Model, question: &Question) {
    let mut instance = rows::instance(run, "extract", 0, Some("awaiting_input"));
    instance.try_number = 1;
    instance.deferred_at = Some(now());
    rows::insert(db, [instance.clone(), rows::instance(run, "load", 1, None)]).await;
    ask(db, &instance, question).await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_question_is_listed_looked_at_and_answered_once(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    asked(&server.db, &rows::run(&server.db, "a", "running", 1).await, &question("Publish the figures?")).await;
    let total = async |query: &str| {
        let path = format!("/dags/~/dagRuns/~/hitlDetails?{query}");
        server.get_ok(&path).await["total_entries"].as_i64().unwrap()
    };

    assert_json_snapshot!("hitl_detail", server.masked(&server.get_ok(PATH).await));
    for (query, expected) in [
        ("response_received=false&state=awaiting_input", 1),
        ("response_received=true", 0),
        ("subject_search=figures", 1),
        ("subject_search=weather", 0),
        ("body_search=three", 1),
        ("state=success", 0),
        ("dag_id_pattern=sal&task_id=extract&map_index=-1&order_by=-run_after", 1),
        ("task_id_pattern=load", 0),
        ("created_at_gte=2026-11-22T00:00:00Z", 0),
        ("responded_by_user_name=admin", 0),
    ] {
        assert_eq!(total(query).await, expected, "{query}");
    }

    let approve = json!({ "chosen_options": ["Approve"], "params_input": { "rows": 4 } });
    let (status, answer) = server.patch(PATH, &approve).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let admin = json!({ "id": "admin", "name": "admin" });
    let expected = json!({ "responded_by": admin, "responded_at": "2026-11-21T08:00:00Z", "chosen_options": ["Approve"],
                           "params_input": { "rows": 4 } });
    assert_eq!(answer, expected);

    let (status, refusal) = server.patch(PATH, &json!({ "chosen_options": ["Reject"] })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refusal["detail"], "task `extract` was answered already, by admin");
    let shown = server.get_ok(PATH).await;
    assert_eq!((&shown["response_received"], &shown["chosen_options"]), (&json!(true), &json!(["Approve"])));
    let of_try = server.get_ok(&format!("{PATH}/tries/1")).await;
    assert_eq!((&of_try["subject"], &of_try["task_instance"]["try_number"]), (&shown["subject"], &json!(1)));
    assert_eq!(server.get(&format!("{PATH}/tries/2")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(total("responded_by_user_name=admin&response_received=true").await, 1);
    let log = server.get_ok("/eventLogs?event=update_hitl_detail").await;
    assert_eq!(
        (&log["event_logs"][0]["owner"], &log["event_logs"][0]["task_id"]),
        (&json!("admin"), &json!("extract"))
    );
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_is_no_answer_is_refused(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    asked(&server.db, &rows::run(&server.db, "a", "running", 1).await, &question("Publish?")).await;
    let refused = async |body: Value| {
        let (status, answer) = server.patch(PATH, &body).await;
        (status, answer["detail"].as_str().unwrap_or("a list").to_owned())
    };

    for (body, expected) in [
        (json!({ "chosen_options": [] }), "choose one of `Approve`, `Reject`"),
        (json!({ "chosen_options": ["Maybe"] }), "`Maybe` is not one of the options, which are `Approve`, `Reject`"),
        (json!({ "chosen_options": ["Approve", "Reject"] }), "only one option may be chosen"),
        (json!({ "chosen_options": ["Approve"], "params_input": { "x": 1 } }), "nobody asked for the param `x`"),
    ] {
        assert_eq!(refused(body).await, (StatusCode::BAD_REQUEST, expected.to_owned()));
    }
    let (status, detail) = refused(json!({ "chosen_options": ["Approve"], "params_input": { "rows": "many" } })).await;
    assert!(status == StatusCode::BAD_REQUEST && detail.starts_with("param `rows` does not fit"), "{detail}");
    assert_eq!(refused(json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused(json!({ "chosen_options": ["Approve"], "why": 1 })).await.0, StatusCode::UNPROCESSABLE_ENTITY);

    let other = "/dags/sales/dagRuns/a/taskInstances/load/-1/hitlDetails";
    assert_eq!(server.get(other).await.0, StatusCode::NOT_FOUND, "it asks nothing");
    assert_eq!(server.patch(other, &json!({ "chosen_options": ["Approve"] })).await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn only_those_who_are_asked_may_answer_and_only_while_the_task_waits(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    let ann = Respondent { id: "ann".to_owned(), name: "ann".to_owned() };
    let run = rows::run(&server.db, "a", "running", 1).await;
    asked(&server.db, &run, &Question { assigned_users: vec![ann], ..question("Publish?") }).await;
    let run = rows::run(&server.db, "b", "failed", 2).await;
    let mut over = rows::instance(&run, "extract", 0, Some("failed"));
    over.try_number = 1;
    rows::insert(&server.db, [over.clone()]).await;
    ask(&server.db, &over, &question("Too late?")).await;
    let approve = json!({ "chosen_options": ["Approve"] });

    let (status, refusal) = server.patch(PATH, &approve).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(refusal["detail"], "admin is not among those who may answer `extract`");

    let (status, refusal) = server.patch(&PATH.replace("/a/", "/b/"), &approve).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refusal["detail"], "task `extract` does not wait for an answer any more");
}
