//! A further try whose task names another workspace than the try before, or whose connection leads to another by then: what
//! was started is watched, repaired and ended where it was started, and nowhere else.
//!
//! Both workspaces give their runs and statements the same numbers, so that asking the wrong one would be seen.

use std::sync::Arc;

use operators::databricks::{RepairRun, Sql, Workspaces};
use scheduler::connection::Connection;
use scheduler::operator::Verdict;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Answer, FAILED, Fake, Fault, RUNNING, SUCCESS};
use super::stopping::Cleared;
use super::{bench, connection, next_try, notebook, object, submit_run, withdrawn_once_it_waits, xcoms};
use crate::support::{Bench, Connections, HeldSlot};

/// Two workspaces, and a try whose connections are `databricks_default`, which leads to the first, and `other`.
struct Two {
    first: Fake,
    second: Fake,
    bench: Bench,
}

impl Two {
    async fn start() -> Two {
        let (first, second) = (Fake::start().await, Fake::start().await);
        let bench = bench(&first);
        let mut two = Two { first, second, bench };
        two.lead(&[("databricks_default", true), ("other", false)]);
        two
    }

    /// Lets connections lead to the first workspace, or to the second.
    fn lead(&mut self, connections: &[(&str, bool)]) {
        let all = connections.iter().map(|(conn_id, is_first)| {
            let fake = if *is_first { &self.first } else { &self.second };
            Connection { conn_id: (*conn_id).to_owned(), ..connection(fake) }
        });
        self.bench.ctx.secrets = Arc::new(Connections(all.collect()));
    }

    /// A try in the first workspace whose process is gone while its run goes on.
    async fn left_behind(&mut self) {
        self.first.script(&[RUNNING]);
        let slot = Arc::new(HeldSlot::default());
        self.bench.ctx.slot = slot.clone();
        let operator = submit_run();
        tokio::select! {
            _ = self.bench.run(&operator, notebook(json!({}))) => panic!("it goes on"),
            _ = slot.reason() => {}
        }
    }

    /// A try in the first workspace whose process is gone before it heard whether there is a run.
    async fn left_unheard(&self, fault: Fault) {
        self.first.script(&[RUNNING]);
        let is_heard = matches!(fault, Fault::Hang);
        self.first.faults("runs/submit", [fault]);
        let operator = submit_run();
        let dying = self.bench.run(&operator, notebook(json!({ "databricks_retry_limit": 1 })));
        if is_heard {
            tokio::select! {
                _ = dying => panic!("it hangs"),
                () = self.first.hanging() => {}
            }
        } else {
            dying.await.unwrap_err();
        }
    }

    fn ends_well(&self) {
        self.first.inside().runs.values_mut().for_each(|run| run.script = [SUCCESS].into());
    }

    /// How many runs each of them has.
    fn runs(&self) -> (usize, usize) {
        (self.first.runs().len(), self.second.runs().len())
    }
}

fn other(more: Value) -> Value {
    let mut args = notebook(json!({ "databricks_conn_id": "other" }));
    args.as_object_mut().unwrap().extend(object(more));
    args
}

#[tokio::test]
async fn another_process_goes_on_with_a_run_where_it_was_started() {
    let mut two = Two::start().await;
    two.left_behind().await;
    two.ends_well();

    xcoms(two.bench.run(&submit_run(), other(json!({}))).await);

    assert_eq!(two.runs(), (1, 0));
    assert!(two.bench.log_text().contains(&format!("was started at {}, and is asked for there", two.first.url())));
}

#[tokio::test]
async fn a_run_is_adopted_and_repaired_where_it_was_started() {
    for (on_retry, repairs) in [("adopt", 0), ("repair", 1)] {
        let mut two = Two::start().await;
        if repairs == 0 {
            two.left_behind().await;
            two.ends_well();
        } else {
            two.first.script(&[FAILED]);
            two.bench.run(&submit_run(), notebook(json!({ "on_retry": on_retry }))).await.unwrap_err();
            two.first.script(&[RUNNING, SUCCESS]);
        }
        next_try(&mut two.bench);

        xcoms(two.bench.run(&submit_run(), other(json!({ "on_retry": on_retry }))).await);

        assert_eq!((two.runs(), two.first.runs()[0].repairs.len()), ((1, 0), repairs), "{on_retry}");
        assert_eq!(two.first.runs()[0].cancels, 0, "{on_retry}");
    }
}

#[tokio::test]
async fn a_run_is_ended_where_it_was_started_before_another_starts_where_the_task_says() {
    let mut two = Two::start().await;
    two.left_behind().await;
    next_try(&mut two.bench);

    xcoms(two.bench.run(&submit_run(), other(json!({ "on_retry": "new" }))).await);

    assert_eq!((two.runs(), two.first.runs()[0].cancels, two.second.runs()[0].cancels), ((1, 1), 1, 0));
    // What is kept now is of the second.
    two.bench.withdraw(&submit_run(), other(json!({}))).await.unwrap();
    assert_eq!(two.first.runs()[0].cancels, 1);
}

#[tokio::test]
async fn what_may_have_been_started_elsewhere_is_ended_there_and_never_gone_on_with() {
    for (is_next_try, on_retry) in [(false, "new"), (true, "new"), (true, "adopt"), (true, "repair")] {
        for fault in [Fault::Hang, Fault::LoseRequest] {
            let what = format!("{is_next_try} {on_retry} {fault:?}");
            let mut two = Two::start().await;
            two.left_unheard(fault).await;
            if is_next_try {
                next_try(&mut two.bench);
            }

            xcoms(two.bench.run(&submit_run(), other(json!({ "on_retry": on_retry }))).await);

            let (first, second) = (two.first.runs(), two.second.runs());
            assert_eq!((first.len(), first[0].cancels, first[0].script[0].1), (1, 1, "CANCELED"), "{what}");
            assert_eq!((second.len(), second[0].cancels), (1, 0), "{what}");
            assert!(first[0].repairs.is_empty(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_workspace_that_does_not_take_a_request_of_another_has_no_run_of_it() {
    for is_next_try in [false, true] {
        let mut two = Two::start().await;
        two.left_unheard(Fault::LoseRequest).await;
        if is_next_try {
            next_try(&mut two.bench);
        }
        two.first.faults("runs/submit", [Fault::Answer(400, "INVALID_PARAMETER_VALUE", None)]);

        xcoms(two.bench.run(&submit_run(), other(json!({}))).await);

        assert_eq!((two.runs(), two.second.runs()[0].cancels), ((0, 1), 0), "{is_next_try}");
    }
}

#[tokio::test]
async fn whoever_dies_while_it_ends_a_run_elsewhere_leaves_nothing_to_go_on_with() {
    let mut two = Two::start().await;
    two.left_unheard(Fault::LoseRequest).await;
    next_try(&mut two.bench);
    two.first.script(&[RUNNING]);
    two.first.faults("runs/cancel", [Fault::Hang]);
    let operator = submit_run();
    tokio::select! {
        _ = two.bench.run(&operator, other(json!({}))) => panic!("it hangs"),
        () = two.first.hanging() => {}
    }

    xcoms(two.bench.run(&submit_run(), other(json!({}))).await);

    assert_eq!((two.runs(), two.first.runs()[0].script[0].1), ((1, 1), "CANCELED"));
}

#[tokio::test]
async fn connections_that_cannot_be_read_for_a_while_lose_no_run() {
    /// Knows one connection, and cannot ask for others.
    struct Unread(Connection);

    #[async_trait::async_trait]
    impl scheduler::operator::SecretReader for Unread {
        async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
            if conn_id == self.0.conn_id { Ok(Some(self.0.clone())) } else { anyhow::bail!("the backend is away") }
        }

        async fn variable(&self, _: &str) -> anyhow::Result<Option<String>> {
            Ok(None)
        }
    }

    let mut two = Two::start().await;
    two.left_behind().await;
    two.bench.ctx.checkpoint = Arc::new(Cleared(Arc::clone(&two.bench.ctx.checkpoint)));
    next_try(&mut two.bench);
    let connection = Connection { conn_id: "other".to_owned(), ..connection(&two.second) };
    two.bench.ctx.secrets = Arc::new(Unread(connection));

    let error = two.bench.run(&submit_run(), other(json!({}))).await.unwrap_err();

    assert_eq!((error.verdict, two.runs()), (Verdict::Retry, (1, 0)));
    let told = format!("{:#}", error.error);
    assert!(told.contains("which cannot be read now") && told.contains("the backend is away"), "{told}");
    two.lead(&[("databricks_default", true), ("other", false)]);
    xcoms(two.bench.run(&submit_run(), other(json!({}))).await);
    assert_eq!((two.runs(), two.first.runs()[0].cancels), ((1, 1), 1));
}

#[tokio::test]
async fn what_was_seen_to_be_cancelled_keeps_nobody_from_another_workspace() {
    let mut two = Two::start().await;
    two.first.script(&[RUNNING]);
    let ended = withdrawn_once_it_waits(&mut two.bench, &submit_run(), notebook(json!({}))).await;
    assert_eq!((ended.unwrap_err().verdict, two.first.runs()[0].cancels), (Verdict::Cancelled, 1));
    (two.bench.ctx.withdrawn, two.bench.ctx.cancelled) = Default::default();
    next_try(&mut two.bench);
    two.lead(&[("databricks_default", false)]);

    two.bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
    xcoms(two.bench.run(&submit_run(), notebook(json!({}))).await);

    assert_eq!(two.runs(), (1, 1));
}

#[tokio::test]
async fn statements_that_have_ended_keep_nobody_from_another_workspace() {
    for is_cancelled in [false, true] {
        let mut two = Two::start().await;
        let one = Answer::rows(&[("n", "INT")], vec![vec![vec![json!("1")]]]);
        two.first.answers("SELECT 1", Answer { waits: if is_cancelled { usize::MAX } else { 0 }, ..one });
        let sql = Sql::new(Workspaces::default(), operators::location::S3::from_variables([]));
        // A folder cannot be made where a file is, after the statement has succeeded.
        std::fs::write(two.bench.home().join("taken"), "").unwrap();
        let output = if is_cancelled { Value::Null } else { json!("taken/answer.csv") };
        let args = |output: &Value| json!({ "sql": "SELECT 1", "warehouse_id": "w1", "output_path": output });
        let ended = if is_cancelled {
            withdrawn_once_it_waits(&mut two.bench, &sql, args(&output)).await
        } else {
            two.bench.run(&sql, args(&output)).await
        };
        ended.unwrap_err();
        assert_eq!(two.first.inside().statements["01ef-0001"].is_cancelled, is_cancelled);
        (two.bench.ctx.withdrawn, two.bench.ctx.cancelled) = Default::default();
        next_try(&mut two.bench);
        two.lead(&[("databricks_default", false)]);

        two.bench.withdraw(&sql, args(&Value::Null)).await.unwrap();
        xcoms(two.bench.run(&sql, args(&Value::Null)).await);

        let sent = (two.first.inside().statements.len(), two.second.inside().statements.len());
        assert_eq!(sent, (1, 1), "{is_cancelled}");
    }
}

#[tokio::test]
async fn a_try_that_goes_on_elsewhere_is_cancelled_there() {
    let mut two = Two::start().await;
    two.left_behind().await;
    two.second.script(&[RUNNING]);
    xcoms(bench(&two.second).run(&submit_run(), notebook(json!({ "wait_for_termination": false }))).await);

    let ended = withdrawn_once_it_waits(&mut two.bench, &submit_run(), other(json!({}))).await;

    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled);
    assert_eq!((two.first.runs()[0].cancels, two.second.runs()[0].cancels), (1, 0));
}

#[tokio::test]
async fn a_workspace_that_cannot_be_reached_any_more_is_one_clear_error() {
    for on_retry in ["new", "adopt", "repair"] {
        let mut two = Two::start().await;
        two.left_behind().await;
        next_try(&mut two.bench);
        two.lead(&[("databricks_default", false)]);
        let again = notebook(json!({ "on_retry": on_retry }));

        let error = two.bench.run(&submit_run(), again.clone()).await.unwrap_err();
        let (first, second) = (two.first.url(), two.second.url());
        let place = format!(
            "run 1000000000001 was started at {first} by connection `databricks_default`, which leads to {second} now"
        );
        assert_eq!(error.verdict, Verdict::Retry, "the connection may be mended");
        assert!(error.to_string().contains(&place) && error.to_string().contains("let it lead there again"), "{error}");
        assert_eq!((two.runs(), two.second.requests("runs").len()), ((1, 0), 0), "{on_retry}");

        two.lead(&[("other", false)]);
        let error = two.bench.run(&submit_run(), other(json!({ "on_retry": on_retry }))).await.unwrap_err();
        assert!(format!("{:#}", error.error).contains("UPDRAFT_CONN_DATABRICKS_DEFAULT"), "{error}");

        two.lead(&[("databricks_default", true)]);
        two.ends_well();
        xcoms(two.bench.run(&submit_run(), again).await);
    }
}

#[tokio::test]
async fn who_clears_a_task_starts_it_anew_although_the_first_workspace_is_out_of_reach() {
    let mut two = Two::start().await;
    two.left_behind().await;
    two.bench.ctx.checkpoint = Arc::new(Cleared(Arc::clone(&two.bench.ctx.checkpoint)));
    next_try(&mut two.bench);
    two.lead(&[("databricks_default", false)]);

    xcoms(two.bench.run(&submit_run(), notebook(json!({ "on_retry": "adopt" }))).await);

    assert_eq!((two.runs(), two.second.runs()[0].cancels), ((1, 1), 0));
    assert!(two.bench.log_text().contains("It may go on"), "{}", two.bench.log_text());
}

#[tokio::test]
async fn a_run_that_was_seen_to_fail_keeps_nobody_from_another_workspace() {
    for on_retry in ["new", "adopt", "repair"] {
        let mut two = Two::start().await;
        two.first.script(&[FAILED]);
        let args = notebook(json!({ "on_retry": on_retry }));
        two.bench.run(&submit_run(), args.clone()).await.unwrap_err();
        next_try(&mut two.bench);
        two.lead(&[("databricks_default", false)]);
        two.bench.withdraw(&submit_run(), args.clone()).await.unwrap();

        xcoms(two.bench.run(&submit_run(), args).await);

        assert_eq!(two.runs(), (1, 1), "{on_retry}");
    }
}

#[tokio::test]
async fn what_a_killed_process_left_is_cancelled_where_it_was_started_or_not_at_all() {
    let mut two = Two::start().await;
    two.left_behind().await;
    two.second.script(&[RUNNING]);
    xcoms(bench(&two.second).run(&submit_run(), notebook(json!({ "wait_for_termination": false }))).await);
    two.lead(&[("databricks_default", false)]);

    let problem = two.bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap_err();
    assert!(problem.to_string().contains("was started at"), "{problem}");
    assert_eq!((two.first.runs()[0].cancels, two.second.runs()[0].cancels), (0, 0));

    two.lead(&[("databricks_default", true)]);
    two.bench.withdraw(&submit_run(), notebook(json!({}))).await.unwrap();
    assert_eq!((two.first.runs()[0].cancels, two.second.runs()[0].cancels), (1, 0));
}

#[tokio::test]
async fn a_repair_that_another_process_asked_for_is_followed_where_it_was() {
    let mut two = Two::start().await;
    two.first.script(&[FAILED]);
    two.bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();
    let mut repairing = Bench::new();
    std::mem::swap(&mut repairing.ctx.secrets, &mut two.bench.ctx.secrets);
    let slot = Arc::new(HeldSlot::default());
    repairing.ctx.slot = slot.clone();
    two.first.script(&[RUNNING]);
    let operator = RepairRun::new(Workspaces::default());
    let args = |conn_id: &str| {
        json!({ "run_id": 1_000_000_000_001_i64, "rerun_all_failed_tasks": true, "polling_period_seconds": 0.1,
                "databricks_conn_id": conn_id })
    };
    tokio::select! {
        _ = repairing.run(&operator, args("databricks_default")) => panic!("it goes on"),
        _ = slot.reason() => {}
    }
    two.ends_well();

    xcoms(repairing.run(&operator, args("other")).await);

    assert_eq!((two.runs(), two.first.runs()[0].repairs.len()), ((1, 0), 1));
}

#[tokio::test]
async fn a_connection_that_leads_elsewhere_while_a_run_is_watched_does_not_take_the_try_along() {
    /// Leads to one workspace, and after the first question to another.
    struct Moved(Connection, Connection, std::sync::atomic::AtomicBool);

    #[async_trait::async_trait]
    impl scheduler::operator::SecretReader for Moved {
        async fn connection(&self, _: &str) -> anyhow::Result<Option<Connection>> {
            let has_moved = self.2.swap(true, std::sync::atomic::Ordering::SeqCst);
            Ok(Some(if has_moved { self.1.clone() } else { self.0.clone() }))
        }

        async fn variable(&self, _: &str) -> anyhow::Result<Option<String>> {
            Ok(None)
        }
    }

    let mut two = Two::start().await;
    two.bench.ctx.secrets = Arc::new(Moved(connection(&two.first), connection(&two.second), false.into()));
    two.first.script(&[RUNNING]);
    two.first.faults("runs/get", [Fault::Answer(401, "UNAUTHENTICATED", None)]);

    let error = two.bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();

    assert_eq!(error.verdict, Verdict::Retry, "{error}");
    assert_eq!((two.runs(), two.second.requests("runs").len()), ((1, 0), 0));
    assert!(two.bench.log_text().contains("goes on asking"), "{}", two.bench.log_text());
}

#[tokio::test]
async fn a_statement_is_watched_and_ended_where_it_was_sent() {
    for is_same_try in [true, false] {
        let mut two = Two::start().await;
        let one = || Answer::rows(&[("n", "INT")], vec![vec![vec![json!("1")]]]);
        two.first.answers("SELECT 1", Answer { waits: usize::MAX, ..one() });
        two.first.answers("SELECT 2", one());
        two.second.answers("SELECT 1", one());
        two.second.answers("SELECT 2", one());
        let sql = Sql::new(Workspaces::default(), operators::location::S3::from_variables([]));
        let args = |conn_id: &str| {
            json!({ "sql": "SELECT 1; SELECT 2", "warehouse_id": "w1", "databricks_conn_id": conn_id,
                    "polling_period_seconds": 0.1 })
        };
        let slot = Arc::new(HeldSlot::default());
        two.bench.ctx.slot = slot.clone();
        tokio::select! {
            _ = two.bench.run(&sql, args("databricks_default")) => panic!("it goes on"),
            _ = slot.reason() => {}
        }
        two.lead(&[("databricks_default", false)]);
        let problem = two.bench.withdraw(&sql, args("databricks_default")).await.unwrap_err();
        assert!(problem.to_string().contains("statement 01ef-0001 was started at"), "{problem}");
        two.lead(&[("databricks_default", true), ("other", false)]);

        if is_same_try {
            two.first.inside().statements.get_mut("01ef-0001").unwrap().ends();
        } else {
            next_try(&mut two.bench);
        }
        two.bench.ctx.cancelled = CancellationToken::new();
        xcoms(two.bench.run(&sql, args("other")).await);

        let sent = (two.first.inside().statements.len(), two.second.inside().statements.len());
        assert_eq!(sent, if is_same_try { (2, 0) } else { (1, 2) });
        assert_eq!(two.first.inside().statements["01ef-0001"].is_cancelled, !is_same_try);
    }
}

#[tokio::test]
async fn a_statement_is_watched_elsewhere_whatever_warehouse_the_task_names_now() {
    let mut two = Two::start().await;
    let one = Answer::rows(&[("n", "INT")], vec![vec![vec![json!("1")]]]);
    two.first.answers("SELECT 1", Answer { waits: usize::MAX, ..one });
    let sql = Sql::new(Workspaces::default(), operators::location::S3::from_variables([]));
    let args = |more: Value| {
        let mut args = json!({ "sql": "SELECT 1", "polling_period_seconds": 0.1 });
        args.as_object_mut().unwrap().extend(object(more));
        args
    };
    let slot = Arc::new(HeldSlot::default());
    two.bench.ctx.slot = slot.clone();
    tokio::select! {
        _ = two.bench.run(&sql, args(json!({ "warehouse_id": "w1" }))) => panic!("it goes on"),
        _ = slot.reason() => {}
    }
    two.first.inside().statements.get_mut("01ef-0001").unwrap().ends();

    let now = json!({ "databricks_conn_id": "other", "sql_endpoint_name": "only in the second" });
    xcoms(two.bench.run(&sql, args(now)).await);

    assert_eq!((two.first.inside().statements.len(), two.second.inside().statements.len()), (1, 0));
}

#[tokio::test]
async fn a_statement_of_which_nobody_heard_is_looked_for_where_it_was_sent() {
    for is_same_try in [true, false] {
        let mut two = Two::start().await;
        two.first
            .answers("SELECT 1", Answer { waits: 3, ..Answer::rows(&[("n", "INT")], vec![vec![vec![json!("1")]]]) });
        let sql = Sql::new(Workspaces::default(), operators::location::S3::from_variables([]));
        let args = |conn_id: &str| {
            json!({ "sql": "SELECT 1", "warehouse_id": "w1", "databricks_conn_id": conn_id,
                    "polling_period_seconds": 0.1, "databricks_retry_delay": 0.01 })
        };
        two.first.faults("sql/statements", [Fault::Hang]);
        tokio::select! {
            _ = two.bench.run(&sql, args("databricks_default")) => panic!("nothing answers"),
            () = two.first.hanging() => {}
        }
        if !is_same_try {
            next_try(&mut two.bench);
        }

        xcoms(two.bench.run(&sql, args("other")).await);

        let sent = (two.first.inside().statements.len(), two.second.inside().statements.len());
        assert_eq!(sent, (1, 0), "{is_same_try}");
    }
}
