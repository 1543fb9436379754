//! A statement is sent once, whenever the process dies and whatever answer is lost: the history of the warehouse tells of it.

use std::sync::Arc;
use std::time::Duration;

use scheduler::operator::Verdict;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Answer, Fake, Fault, unmarked};
use super::once::at_each_moment;
use super::sql::{args, pins, sql};
use super::stopping::Cleared;
use super::{bench, next_try, object, xcoms};
use crate::support::{Bench, HeldSlot};

fn insert() -> Value {
    args(json!({ "sql": "INSERT INTO pins VALUES (1)" }))
}

fn sent(fake: &Fake) -> Vec<String> {
    let inside = fake.inside();
    let texts = inside.statements.values().map(|one| one.request["statement"].as_str().unwrap());
    texts.map(|text| unmarked(text).to_owned()).collect()
}

/// A try whose process is gone before it heard of its statement, which the warehouse has.
async fn left_unheard(fake: &Fake, bench: &Bench, args: Value) {
    fake.faults("sql/statements", [Fault::Hang]);
    let operator = sql();
    tokio::select! {
        _ = bench.run(&operator, args) => panic!("nothing answers"),
        () = fake.hanging() => {}
    }
}

#[tokio::test]
async fn each_statement_is_sent_once_whenever_the_process_dies() {
    for lag in [0, 3] {
        let prepare = |fake: &Fake| {
            fake.answers("INSERT INTO b SELECT * FROM a", Answer { waits: 2, ..pins() });
            let mut inside = fake.inside();
            inside.history.lag = lag;
            inside.history.others = vec!["SELECT 1", "SELECT 'updraft'", "/* updraft-1-0 */ SELECT 1"];
        };
        let texts = ["INSERT INTO a VALUES (1)", "INSERT INTO b SELECT * FROM a"];
        let moments = at_each_moment(sql, &args(json!({ "sql": texts })), prepare, |fake, moment| {
            assert_eq!(sent(fake), texts, "killed at moment {moment}");
            assert!(fake.inside().statements.values().all(|one| !one.is_cancelled), "killed at moment {moment}");
        })
        .await;
        assert!(moments > 16, "{moments} moments: checkpoints, requests, looks");
    }
}

#[tokio::test]
async fn a_statement_is_what_the_author_wrote_behind_its_mark() {
    let fake = Fake::start().await;
    let texts = json!(["SELECT 1 -- one", "SELECT 2;", "SET ansi_mode = true"]);
    let bench = bench(&fake);
    xcoms(bench.run(&sql(), args(json!({ "sql": texts, "split_statements": false }))).await);

    let marks: Vec<String> = fake.requests("sql/statements").iter().map(|body| body["statement"].to_string()).collect();
    let mark = |n: usize| format!("/* updraft-{n}-{} */ ", bench.ctx.try_id.simple());
    assert_eq!(json!(sent(&fake)), texts);
    assert!((0..3).all(|at| marks[at].starts_with(&format!("\"{}", mark(at + 1)))), "{marks:?}");
}

#[tokio::test]
async fn a_history_that_may_not_be_read_is_said_and_the_statement_is_sent_again() {
    let fake = Fake::start().await;
    fake.inside().history.is_closed = true;
    let bench = bench(&fake);
    left_unheard(&fake, &bench, insert()).await;

    xcoms(bench.run(&sql(), insert()).await);

    assert_eq!(sent(&fake).len(), 2);
    let log = bench.log_text();
    assert!(log.contains("it is sent again, and so may run twice") && log.contains("PERMISSION_DENIED"), "{log}");
}

#[tokio::test]
async fn a_statement_that_never_arrived_is_sent_when_the_history_does_not_know_it() {
    let fake = Fake::start().await;
    fake.inside().history.others = vec!["INSERT INTO pins VALUES (1)"; 5];
    let bench = bench(&fake);
    fake.faults("sql/statements", [Fault::LoseRequest]);
    let error = bench.run(&sql(), insert()).await.unwrap_err();
    assert_eq!((error.verdict, sent(&fake).len()), (Verdict::Retry, 0));
    assert!(bench.log_text().contains("The history does not know statement 1; a further try looks again"));

    xcoms(bench.run(&sql(), insert()).await);

    assert_eq!(sent(&fake).len(), 1);
    assert!(bench.log_text().contains("The history does not know statement 1; it is sent"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_statement_is_looked_for_no_longer_than_the_try_may_take() {
    let slowly = |more: Value| {
        let mut args = insert();
        args["databricks_retry_delay"] = json!(60);
        args.as_object_mut().unwrap().extend(object(more));
        args
    };
    let fake = Fake::start().await;
    fake.faults("sql/statements", [Fault::LoseRequest]);
    let error = bench(&fake).run(&sql(), slowly(json!({ "timeout": 0.001 }))).await.unwrap_err();
    assert!(error.verdict == Verdict::Retry && error.to_string().starts_with("took longer"), "{error}");
    assert_eq!(fake.requests("history").len(), 1, "it is looked for, and not waited for");

    let fake = Fake::start().await;
    fake.inside().history.lag = usize::MAX;
    let mut bench = bench(&fake);
    left_unheard(&fake, &bench, insert()).await;
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    bench.ctx.time_limit = Some(Duration::from_millis(1));
    let error = bench.run(&sql(), slowly(json!({}))).await.unwrap_err();
    assert!(error.verdict == Verdict::Retry && error.to_string().starts_with("took longer"), "{error}");
    assert_eq!((fake.requests("history").len(), sent(&fake).len()), (1, 1));
    assert!(slot.is_free() && bench.log_text().contains("it lags behind"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_statement_whose_answer_was_lost_is_followed() {
    for fault in [Fault::LoseAnswer, Fault::Answer(500, "INTERNAL_ERROR", None)] {
        let fake = Fake::start().await;
        fake.answers("INSERT INTO pins VALUES (1)", pins());
        let is_done = matches!(fault, Fault::LoseAnswer);
        fake.faults("sql/statements", [fault]);
        let bench = bench(&fake);

        let ended = bench.run(&sql(), insert()).await;

        if is_done {
            let left = xcoms(ended);
            assert_eq!((&left["statement_id"], &left["return_value"]["row_count"]), (&json!("01ef-0001"), &json!(3)));
        } else {
            assert_eq!(ended.unwrap_err().verdict, Verdict::Retry, "nobody knows it");
        }
        assert_eq!(sent(&fake).len(), usize::from(is_done), "{}", bench.log_text());
    }
}

#[tokio::test]
async fn a_further_try_goes_on_with_a_statement_of_which_the_one_before_never_heard() {
    let fake = Fake::start().await;
    fake.answers("INSERT INTO pins VALUES (1)", Answer { waits: 3, ..pins() });
    let mut bench = bench(&fake);
    left_unheard(&fake, &bench, insert()).await;
    next_try(&mut bench);

    let left = xcoms(bench.run(&sql(), insert()).await);

    assert_eq!((sent(&fake).len(), &left["statement_id"]), (1, &json!("01ef-0001")));
    assert!(bench.log_text().contains("Goes on with statement 01ef-0001 of the try before"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_further_try_ends_such_a_statement_that_is_not_wanted_any_more() {
    for is_cleared in [true, false] {
        let fake = Fake::start().await;
        fake.answers("INSERT INTO pins VALUES (1)", Answer { waits: 1_000, ..pins() });
        let mut bench = bench(&fake);
        left_unheard(&fake, &bench, insert()).await;
        next_try(&mut bench);
        fake.answers("INSERT INTO pins VALUES (1)", pins());
        let again = if is_cleared { insert() } else { args(json!({ "sql": "INSERT INTO pins VALUES (2)" })) };
        if is_cleared {
            bench.ctx.checkpoint = Arc::new(Cleared(Arc::clone(&bench.ctx.checkpoint)));
        }

        xcoms(bench.run(&sql(), again).await);

        let inside = fake.inside();
        let cancelled: Vec<bool> = inside.statements.values().map(|one| one.is_cancelled).collect();
        assert_eq!(cancelled, [true, false], "cleared: {is_cleared}");
    }
}

#[tokio::test]
async fn a_further_try_begins_anew_when_such_a_statement_has_failed() {
    let fake = Fake::start().await;
    fake.answers("INSERT INTO pins VALUES (1)", Answer { error: Some(("BAD_REQUEST", "no table pins")), ..pins() });
    let mut bench = bench(&fake);
    left_unheard(&fake, &bench, insert()).await;
    next_try(&mut bench);
    fake.answers("INSERT INTO pins VALUES (1)", pins());

    xcoms(bench.run(&sql(), insert()).await);

    assert_eq!(sent(&fake).len(), 2);
}

#[tokio::test]
async fn the_history_is_not_asked_about_a_statement_that_was_refused() {
    let fake = Fake::start().await;
    fake.faults("sql/statements", [Fault::Answer(400, "INVALID_PARAMETER_VALUE", None)]);
    let mut bench = bench(&fake);
    bench.run(&sql(), insert()).await.unwrap_err();
    bench.withdraw(&sql(), insert()).await.unwrap();
    next_try(&mut bench);

    xcoms(bench.run(&sql(), insert()).await);

    assert_eq!((sent(&fake).len(), fake.requests("history").len()), (1, 0));
}

#[tokio::test]
async fn what_a_killed_process_never_heard_of_is_cancelled_all_the_same() {
    for is_closed in [false, true] {
        let fake = Fake::start().await;
        fake.inside().history.is_closed = is_closed;
        fake.answers("INSERT INTO pins VALUES (1)", Answer { waits: usize::MAX, ..pins() });
        let bench = bench(&fake);
        left_unheard(&fake, &bench, insert()).await;

        bench.withdraw(&sql(), insert()).await.unwrap();

        assert_eq!(fake.inside().statements["01ef-0001"].is_cancelled, !is_closed);
        assert_eq!(bench.log_text().contains("it may go on"), is_closed, "{}", bench.log_text());
    }
}

#[tokio::test]
async fn what_the_statements_before_have_answered_is_not_lost_with_the_process() {
    let fake = Fake::start().await;
    fake.answers("SELECT 1", pins());
    fake.answers("SELECT 2", Answer { waits: usize::MAX, ..pins() });
    let mut bench = bench(&fake);
    let slot = Arc::new(HeldSlot::default());
    bench.ctx.slot = slot.clone();
    let both = args(json!({ "sql": "SELECT 1; SELECT 2", "return_last": false }));
    let operator = sql();
    tokio::select! {
        _ = bench.run(&operator, both.clone()) => panic!("it goes on"),
        _ = slot.reason() => {}
    }
    bench.ctx.cancelled = CancellationToken::new();
    fake.inside().statements.get_mut("01ef-0002").unwrap().ends();

    let left = xcoms(bench.run(&operator, both).await);

    let counts: Vec<&Value> = left["return_value"].as_array().unwrap().iter().map(|one| &one["row_count"]).collect();
    assert_eq!((counts, sent(&fake).len()), (vec![&json!(3), &json!(3)], 2));
}
