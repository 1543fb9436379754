//! What tasks ask of people: asked once for each try, and answered once.

use rstest::rstest;
use scheduler::dag::params;
use scheduler::operator::{Answer, Question, Respondent};
use scheduler::store::entity::task_instance;
use scheduler::store::hitl_details::{self, Asker};
use scheduler::store::{Db, commit};
use serde_json::json;
use uuid::Uuid;

use crate::pools::an_instance;
use crate::{Backend, a_run, noon, open};

fn question() -> Question {
    let rows = params::read(&json!({ "type": "integer", "default": 3, "description": "How many" })).unwrap();
    let why = params::read(&json!({ "type": "string" })).unwrap();
    Question {
        subject: "Publish?".to_owned(),
        body: Some("It is *late*".to_owned()),
        options: vec!["Approve".to_owned(), "Reject".to_owned()],
        defaults: Some(vec!["Reject".to_owned()]),
        multiple: false,
        params: [("rows".to_owned(), rows), ("why".to_owned(), why)].into(),
        assigned_users: vec![Respondent { id: "1".to_owned(), name: "ann".to_owned() }],
    }
}

fn answer(by: &str, option: &str) -> Answer {
    Answer {
        chosen_options: vec![option.to_owned()],
        params_input: json!({ "rows": 5 }).as_object().unwrap().clone(),
        responded_at: noon(),
        responded_by: by.to_owned(),
    }
}

async fn ask(db: &Db, asker: &Asker, question: &Question) -> bool {
    let txn = db.begin_write().await.unwrap();
    let is_new = hitl_details::ask(&txn, asker, question, noon()).await.unwrap();
    commit(txn).await.unwrap();
    is_new
}

async fn respond(db: &Db, asker: &Asker, answer: &Answer) -> bool {
    let txn = db.begin_write().await.unwrap();
    let counts = hitl_details::respond(&txn, asker, answer).await.unwrap();
    commit(txn).await.unwrap();
    counts
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_try_asks_once_and_the_first_answer_counts(#[case] backend: Backend) {
    let db = open(backend).await;
    let asker = Asker { run: Uuid::now_v7(), task_id: "publish".to_owned(), map_index: -1, try_number: 1 };

    assert!(!respond(&db, &asker, &answer("ann", "Approve")).await, "nothing was asked");
    assert!(ask(&db, &asker, &question()).await);
    assert!(!ask(&db, &asker, &Question { subject: "Other?".to_owned(), ..question() }).await);
    let found = hitl_details::find(db.read(), &asker).await.unwrap().unwrap();
    assert_eq!((found.question().unwrap(), found.answer().unwrap()), (question(), None));

    assert!(respond(&db, &asker, &answer("ann", "Approve")).await);
    assert!(!respond(&db, &asker, &answer("bob", "Reject")).await);
    let found = hitl_details::find(db.read(), &asker).await.unwrap().unwrap();
    assert_eq!(found.answer().unwrap(), Some(answer("ann", "Approve")));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_task_instance_asks_is_what_its_latest_try_asked(#[case] backend: Backend) {
    let db = open(backend).await;
    let instance = an_instance(&a_run("one", Uuid::now_v7(), None), 0, Some("deferred"), "default_pool", 1);
    let asker = |try_number| Asker {
        run: instance.dag_run_id,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        try_number,
    };
    for try_number in [1, 2] {
        ask(&db, &asker(try_number), &question()).await;
    }
    let latest = async |try_number| {
        let instance = task_instance::Model { try_number, ..instance.clone() };
        hitl_details::latest(db.read(), &instance).await.unwrap().map(|row| row.try_number)
    };

    assert_eq!(latest(2).await, Some(2));
    // A try that is to go on in another process is counted when it does.
    assert_eq!(latest(1).await, Some(2));
    assert_eq!(latest(3).await, None, "the third try has asked nothing yet");
}
