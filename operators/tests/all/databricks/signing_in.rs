//! As whom Databricks is asked: tokens of persons, of service principals, of Azure; and what happens when they end.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use operators::databricks::{SubmitRun, Workspaces};
use scheduler::connection::{Connection, Secret};
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use super::fake::{Fake, TOKEN};
use super::{bench, bench_with, connection, notebook, object, submit_run, xcoms};
use crate::support::Connections;

fn principal(fake: &Fake, extra: Value) -> Connection {
    let mut connection = Connection::new("databricks_default", "databricks");
    connection.host = Some(fake.url());
    connection.login = Some("principal".to_owned());
    connection.password = Some(Secret::new("hush"));
    connection.extra = object(extra);
    connection
}

#[tokio::test]
async fn a_token_may_be_the_password_too() {
    let fake = Fake::start().await;
    for login in [None, Some("token".to_owned())] {
        let mut connection = Connection::new("databricks_default", "databricks");
        connection.host = Some(fake.url());
        connection.login = login;
        connection.password = Some(Secret::new(TOKEN));
        xcoms(bench_with(connection).run(&submit_run(), notebook(json!({}))).await);
    }
    assert_eq!(fake.runs().len(), 2);
}

#[tokio::test]
async fn a_wrong_token_is_asked_with_once_and_is_in_no_message() {
    let fake = Fake::start().await;
    let mut wrong = connection(&fake);
    wrong.extra["token"] = json!("dapi-wrong-0001");
    let bench = bench_with(wrong);

    let error = bench.run(&submit_run(), notebook(json!({}))).await.unwrap_err();

    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("Invalid access token"), "{error}");
    assert!(!error.to_string().contains("dapi-wrong"), "{error}");
    assert!(fake.requests("runs/submit").len() == 1, "{:?}", fake.requests("runs/submit"));
}

#[tokio::test]
async fn a_service_principal_gets_one_token_for_all_who_ask_at_once() {
    let fake = Fake::start().await;
    let connection = principal(&fake, json!({ "service_principal_oauth": true }));
    let operator = SubmitRun::new(Workspaces::default());
    let benches: Vec<_> = (0..20).map(|_| bench_with(connection.clone())).collect();
    let outcomes = join_all(benches.iter().map(|bench| bench.run(&operator, notebook(json!({}))))).await;

    for outcome in outcomes {
        xcoms(outcome);
    }
    assert_eq!((fake.runs().len(), fake.inside().given), (20, 1));
}

#[tokio::test]
async fn tokens_of_service_principals_are_replaced_before_they_end() {
    let fake = Fake::start().await;
    fake.inside().token_life = 1;
    let bench = bench_with(principal(&fake, json!({ "service_principal_oauth": "true" })));
    let operator = submit_run();
    xcoms(bench.run(&operator, notebook(json!({ "wait_for_termination": false }))).await);
    // The life of the token is what this is about.
    tokio::time::sleep(Duration::from_millis(900)).await;
    xcoms(bench.run(&operator, notebook(json!({ "wait_for_termination": false }))).await);

    assert!(fake.inside().given >= 2);
    assert!(fake.requests("runs/").len() >= 2);
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced() {
    let fake = Fake::start().await;
    let bench = bench_with(principal(&fake, json!({ "service_principal_oauth": true })));
    let operator = submit_run();
    xcoms(bench.run(&operator, notebook(json!({ "wait_for_termination": false }))).await);
    fake.inside().tokens.clear();

    xcoms(bench.run(&operator, notebook(json!({ "wait_for_termination": false }))).await);

    assert_eq!(fake.inside().given, 2);
}

#[tokio::test]
async fn a_connection_that_is_mended_while_a_run_is_watched_is_used_at_once() {
    let fake = Fake::start().await;
    let (mut old, new) = (connection(&fake), connection(&fake));
    old.extra["token"] = json!("dapi-old-000001");
    fake.inside().tokens = vec!["dapi-old-000001".to_owned()];
    let mut bench = bench_with(old);
    let operator = submit_run();
    xcoms(bench.run(&operator, notebook(json!({ "wait_for_termination": false }))).await);

    fake.inside().tokens = vec![TOKEN.to_owned()];
    let error = bench.run(&operator, notebook(json!({}))).await.unwrap_err();
    assert!(error.to_string().contains("Invalid access token"), "{error}");
    bench.ctx.secrets = Arc::new(Connections(vec![new]));
    xcoms(bench.run(&operator, notebook(json!({}))).await);
}

#[tokio::test]
async fn service_principals_of_azure_sign_in_with_the_directory() {
    let fake = Fake::start().await;
    let member = json!({ "azure_tenant_id": "tenant-1", "azure_ad_endpoint": fake.url() });
    xcoms(bench_with(principal(&fake, member.clone())).run(&submit_run(), notebook(json!({}))).await);
    let is_managed = |fake: &Fake| {
        let inside = fake.inside();
        let last = inside.headers.last().unwrap();
        (
            last.get("x-databricks-azure-workspace-resource-id").cloned(),
            last.contains_key("x-databricks-azure-sp-management-token"),
        )
    };
    assert_eq!(is_managed(&fake), (None, false));

    let mut manager = member;
    manager["azure_resource_id"] = json!("/subscriptions/1/workspaces/w");
    xcoms(bench_with(principal(&fake, manager)).run(&submit_run(), notebook(json!({}))).await);
    assert_eq!(is_managed(&fake), (Some("/subscriptions/1/workspaces/w".parse().unwrap()), true));
    assert_eq!(fake.inside().given, 3, "one for the member, two for the manager");
}

#[tokio::test]
async fn a_principal_that_is_refused_is_one_clear_error() {
    let fake = Fake::start().await;
    let mut wrong = principal(&fake, json!({ "service_principal_oauth": true }));
    wrong.password = Some(Secret::new("not-hush-at-all"));

    let error = bench_with(wrong).run(&submit_run(), notebook(json!({}))).await.unwrap_err();

    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("invalid_client: Client authentication failed"), "{error}");
    assert!(!error.to_string().contains("not-hush"), "{error}");
}

#[tokio::test]
async fn a_connection_that_is_not_there_says_how_to_make_it() {
    let fake = Fake::start().await;
    let error = bench(&fake).run(&submit_run(), notebook(json!({ "databricks_conn_id": "other" }))).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("UPDRAFT_CONN_OTHER"), "{error}");
}
