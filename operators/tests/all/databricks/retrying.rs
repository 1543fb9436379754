//! What is asked again, what is not, and what a further try makes of the run of the one before.

use std::time::{Duration, Instant};

use scheduler::operator::Verdict;
use serde_json::json;

use super::fake::{FAILED, Fake, Fault, PENDING, RUNNING, SUCCESS};
use super::{bench, next_try, notebook, submit_run, xcoms};

#[tokio::test]
async fn a_workspace_that_is_busy_or_away_is_asked_again() {
    let fake = Fake::start().await;
    fake.faults("runs/submit", [Fault::Answer(503, "TEMPORARILY_UNAVAILABLE", None), Fault::LoseRequest]);
    fake.faults(
        "runs/get",
        [
            Fault::Answer(500, "INTERNAL_ERROR", None),
            Fault::LoseAnswer,
            Fault::Answer(502, "BAD_GATEWAY", None),
            Fault::Answer(400, "TEMPORARILY_UNAVAILABLE", None),
            Fault::Answer(400, "COULD_NOT_ACQUIRE_LOCK", None),
            Fault::Answer(504, "DEADLINE_EXCEEDED", None),
        ],
    );
    xcoms(bench(&fake).run(&submit_run(), notebook(json!({}))).await);
    assert_eq!(fake.runs().len(), 1);
}

#[tokio::test]
async fn what_arrives_twice_is_done_once() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.faults("runs/submit", [Fault::Twice]);
    fake.faults("runs/repair", [Fault::Twice]);
    fake.script(&[FAILED]);
    bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();
    assert_eq!((fake.runs().len(), fake.inside().by_token.len()), (1, 1));
    next_try(&mut bench);

    xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "repair" }))).await);

    assert_eq!((fake.runs().len(), fake.runs()[0].repairs.len()), (1, 1));
    assert!(bench.log_text().contains("was started already; goes on with it"), "{}", bench.log_text());
}

#[tokio::test]
async fn a_workspace_that_says_when_to_come_back_is_taken_at_its_word() {
    let fake = Fake::start().await;
    fake.faults("runs/submit", [Fault::Answer(429, "REQUEST_LIMIT_EXCEEDED", Some(1))]);
    let began = Instant::now();
    xcoms(bench(&fake).run(&submit_run(), notebook(json!({}))).await);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let fake = Fake::start().await;
    for (status, code) in
        [(400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST"), (409, "RESOURCE_CONFLICT")]
    {
        fake.faults("runs/submit", [Fault::Answer(status, code, None)]);
        let error = bench(&fake).run(&submit_run(), notebook(json!({}))).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(&format!("{status}: {code}: told to")), "{error}");
    }
    assert_eq!(fake.runs().len(), 0);
}

#[tokio::test]
async fn who_is_not_let_in_any_more_forgets_no_run_that_may_go_on() {
    let denied = |status| Fault::Answer(status, "PERMISSION_DENIED", None);
    for status in [401, 403] {
        for (is_next_try, on_retry) in [(false, "new"), (true, "new"), (true, "adopt")] {
            let what = format!("{status} {is_next_try} {on_retry}");
            let fake = Fake::start().await;
            let mut bench = bench(&fake);
            fake.script(&[RUNNING]);
            fake.faults("runs/submit", [Fault::LoseAnswer]);
            let args = notebook(json!({ "databricks_retry_limit": 1, "on_retry": on_retry }));
            bench.run(&submit_run(), args.clone()).await.unwrap_err();
            if is_next_try {
                next_try(&mut bench);
            }

            fake.faults("runs/submit", [denied(status)]);
            let error = bench.run(&submit_run(), args.clone()).await.unwrap_err();
            assert_eq!(error.verdict, Verdict::Retry, "{what}: the connection may be mended");
            fake.faults("runs/submit", [denied(status)]);
            bench.withdraw(&submit_run(), args.clone()).await.unwrap_err();
            assert_eq!(fake.runs()[0].cancels, 0, "{what}");

            bench.withdraw(&submit_run(), args).await.unwrap();
            assert_eq!((fake.runs().len(), fake.runs()[0].cancels), (1, 1), "{what}");
        }
    }
}

#[tokio::test]
async fn who_is_not_let_in_any_more_does_not_undo_what_an_attempt_before_has_done() {
    let fake = Fake::start().await;
    let bench = bench(&fake);
    fake.script(&[RUNNING]);
    fake.faults("runs/submit", [Fault::LoseAnswer, Fault::Answer(403, "PERMISSION_DENIED", None)]);
    let args = notebook(json!({ "databricks_retry_limit": 3 }));

    let error = bench.run(&submit_run(), args.clone()).await.unwrap_err();

    assert_eq!((error.verdict, fake.runs().len()), (Verdict::Retry, 1));
    bench.withdraw(&submit_run(), args).await.unwrap();
    assert_eq!((fake.runs().len(), fake.runs()[0].cancels), (1, 1));
}

#[tokio::test]
async fn starting_is_given_up_after_the_limit_but_watching_never() {
    let fake = Fake::start().await;
    fake.faults("runs/submit", vec![Fault::Answer(503, "x", None); 3]);
    let bench_one = bench(&fake);
    let error = bench_one.run(&submit_run(), notebook(json!({ "databricks_retry_limit": 3 }))).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    assert!(error.to_string().contains("given up after 3 attempts"), "{error}");

    fake.faults("runs/get", vec![Fault::Answer(503, "x", None); 12]);
    xcoms(bench(&fake).run(&submit_run(), notebook(json!({ "databricks_retry_limit": 1 }))).await);
}

#[tokio::test]
async fn a_workspace_that_goes_away_while_a_run_is_watched_is_awaited() {
    let fake = Fake::start().await;
    fake.script(&[RUNNING]);
    let bench = bench(&fake);
    let operator = submit_run();
    let run = bench.run(&operator, notebook(json!({})));
    let outage = async {
        while fake.runs_that_were_looked_at() == 0 {
            tokio::task::yield_now().await;
        }
        fake.set_away(true);
        while !bench.log_text().contains("cannot reach") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fake.inside().runs.values_mut().for_each(|run| run.script = [SUCCESS].into());
        fake.set_away(false);
    };
    xcoms(tokio::join!(run, outage).0);
    assert_eq!(fake.runs().len(), 1);
}

#[tokio::test]
async fn a_further_try_starts_another_run_and_ends_the_one_before() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.script(&[RUNNING]);
    // The try loses its right to look, but the run goes on.
    fake.faults("runs/get", [Fault::Answer(404, "x", None)]);
    bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();
    next_try(&mut bench);

    xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "new" }))).await);

    let runs = fake.runs();
    assert_eq!((runs.len(), runs[0].cancels), (2, 1));
    assert_eq!(runs[0].script[0].1, "CANCELED", "the second began after the first had ended");
    assert_ne!(runs[0].request["idempotency_token"], runs[1].request["idempotency_token"]);
}

#[tokio::test]
async fn a_run_that_goes_on_or_has_succeeded_is_adopted() {
    for script in [&[RUNNING, RUNNING, SUCCESS][..], &[SUCCESS]] {
        let fake = Fake::start().await;
        let mut bench = bench(&fake);
        fake.script(script);
        fake.faults("runs/get", [Fault::Answer(404, "x", None)]);
        bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();
        next_try(&mut bench);

        let left = xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "adopt" }))).await);

        assert_eq!(fake.runs().len(), 1);
        assert_eq!(left["run_id"], *fake.inside().runs.keys().next().unwrap());
        assert_eq!(fake.runs()[0].cancels, 0);
        // Cleared after a success, it runs again.
        next_try(&mut bench);
        xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "adopt" }))).await);
        assert_eq!(fake.runs().len(), 2);
    }
}

#[tokio::test]
async fn a_run_that_failed_is_not_adopted() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.script(&[FAILED]);
    bench.run(&submit_run(), notebook(json!({ "on_retry": "adopt" }))).await.unwrap_err();
    next_try(&mut bench);
    xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "adopt" }))).await);
    assert_eq!(fake.runs().len(), 2);
}

#[tokio::test]
async fn a_run_that_failed_is_repaired() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.script(&[FAILED]);
    bench.run(&submit_run(), notebook(json!({ "on_retry": "repair" }))).await.unwrap_err();
    for repairs in 1..=2 {
        next_try(&mut bench);
        fake.script(if repairs == 1 { &[RUNNING, FAILED] } else { &[PENDING, SUCCESS] });
        let outcome = bench.run(&submit_run(), notebook(json!({ "on_retry": "repair" }))).await;
        assert_eq!(outcome.is_ok(), repairs == 2);
        assert_eq!(fake.runs().len(), 1);
        assert_eq!(fake.runs()[0].repairs.len(), repairs);
    }
    let asked = fake.requests("runs/repair");
    assert_eq!(asked[0].get("latest_repair_id"), None);
    assert_eq!(asked[1]["latest_repair_id"], 700);
}

#[tokio::test]
async fn a_run_that_cannot_be_repaired_is_followed_by_another() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.script(&[FAILED]);
    bench.run(&submit_run(), notebook(json!({ "on_retry": "repair" }))).await.unwrap_err();
    next_try(&mut bench);
    fake.faults("runs/repair", [Fault::Answer(400, "INVALID_STATE", None)]);
    xcoms(bench.run(&submit_run(), notebook(json!({ "on_retry": "repair" }))).await);
    assert_eq!(fake.runs().len(), 2);
    assert!(bench.log_text().contains("cannot be repaired, so another is started"));
}

#[tokio::test]
async fn a_try_that_never_heard_whether_a_run_was_started_leaves_that_to_the_next() {
    let fake = Fake::start().await;
    let mut bench = bench(&fake);
    fake.faults("runs/submit", vec![Fault::LoseAnswer; 2]);
    let args = notebook(json!({ "databricks_retry_limit": 2 }));
    let error = bench.run(&submit_run(), args.clone()).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    next_try(&mut bench);

    xcoms(bench.run(&submit_run(), args).await);

    assert_eq!(fake.runs().len(), 1, "the run that was started unheard is this try's");
}
