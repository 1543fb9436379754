//! As whom Databricks is asked: tokens of persons, of service principals, of Azure; and what happens when they end.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use operators::databricks::{SubmitRun, Workspaces};
use operators::notifiers::Environment;
use scheduler::connection::{Connection, Secret};
use scheduler::operator::Verdict;
use serde_json::{Value, json};

use super::fake::machine::{ASSIGNED, IDENTITY_HEADER};
use super::fake::{Fake, Fault, TOKEN};
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

/// A connection of a machine that is known. Its login says nothing, as in Airflow.
fn managed(fake: &Fake, assigned: Option<&str>, extra: Value) -> Connection {
    let mut connection = Connection::new("databricks_default", "databricks");
    connection.host = Some(fake.url());
    connection.login = Some("somebody".to_owned());
    connection.extra =
        object(json!({ "use_azure_managed_identity": true, "azure_managed_identity_client_id": assigned }));
    connection.extra.extend(object(extra));
    connection
}

/// On a virtual machine whose metadata service is `url`.
fn on_machine(url: &str) -> SubmitRun {
    on([("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.to_owned())])
}

fn on<const N: usize>(variables: [(&str, String); N]) -> SubmitRun {
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    SubmitRun::new(Workspaces::in_environment(Environment::of(variables)))
}

#[tokio::test]
async fn a_machine_of_azure_is_known_by_itself() {
    let fake = Fake::start().await;
    let operator = on_machine(&format!("{}/", fake.url()));
    for assigned in [None, Some(ASSIGNED)] {
        xcoms(bench_with(managed(&fake, assigned, json!({}))).run(&operator, notebook(json!({}))).await);
    }
    assert_eq!((fake.runs().len(), fake.inside().given), (2, 2));
    let asked = fake.requests("/metadata/identity/oauth2/token");
    assert_eq!((&asked[0]["client_id"], &asked[1]["client_id"]), (&Value::Null, &json!(ASSIGNED)));

    let manager = managed(&fake, None, json!({ "azure_resource_id": "/subscriptions/1/workspaces/w" }));
    xcoms(bench_with(manager).run(&operator, notebook(json!({}))).await);

    let inside = fake.inside();
    let last = inside.headers.last().unwrap();
    assert_eq!(inside.given, 4, "two for the manager");
    assert_eq!(last["x-databricks-azure-workspace-resource-id"], "/subscriptions/1/workspaces/w");
    assert_eq!(last["x-databricks-azure-sp-management-token"], "given-4");
}

#[tokio::test]
async fn an_app_of_azure_is_known_by_what_its_environment_says() {
    let fake = Fake::start().await;
    fake.inside().token_life = 1;
    let app = on([
        ("IDENTITY_ENDPOINT", format!("{}/msi/token", fake.url())),
        ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9".to_owned()),
    ]);
    let connection = managed(&fake, Some(ASSIGNED), json!({}));
    xcoms(bench_with(connection).run(&app, notebook(json!({}))).await);
    assert_eq!(fake.requests("/msi/token")[0]["client_id"], ASSIGNED);
}

#[tokio::test]
async fn a_token_of_the_machine_is_asked_for_again_while_its_service_is_replaced() {
    let fake = Fake::start().await;
    let busy = [404, 410, 429, 500].map(|status| Fault::Answer(status, "busy", None));
    fake.faults("/metadata/", busy);
    let args = notebook(json!({ "databricks_retry_limit": 5 }));
    xcoms(bench_with(managed(&fake, None, json!({}))).run(&on_machine(&fake.url()), args).await);
    assert_eq!(fake.runs().len(), 1);
}

#[tokio::test]
async fn a_machine_without_such_an_identity_is_one_clear_error() {
    let fake = Fake::start().await;
    let other = "6f1c2b1e-0000-4000-8000-000000000002";
    for (assigned, words) in [
        (other, "invalid_request: Identity not found"),
        ("the lake", "`azure_managed_identity_client_id` is `the lake`, and client ids are UUIDs"),
    ] {
        let connection = managed(&fake, Some(assigned), json!({}));
        let error = bench_with(connection).run(&on_machine(&fake.url()), notebook(json!({}))).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(words), "{error}");
    }

    let elsewhere = on_machine("http://127.0.0.1:9");
    let error = bench_with(managed(&fake, None, json!({}))).run(&elsewhere, notebook(json!({}))).await.unwrap_err();
    let told = format!("{:#}", error.error);
    assert!(told.contains("only a machine of Azure has a managed identity") && told.contains("127.0.0.1"), "{told}");

    let wrong = on([("AZURE_POD_IDENTITY_AUTHORITY_HOST", "here".to_owned())]);
    let error = bench_with(managed(&fake, None, json!({}))).run(&wrong, notebook(json!({}))).await.unwrap_err();
    assert!(error.to_string().contains("`AZURE_POD_IDENTITY_AUTHORITY_HOST`: the address is not one"), "{error}");
    assert!(fake.runs().is_empty());
}

/// A token that could not be had is no statement that may have been sent.
#[tokio::test]
async fn a_statement_whose_token_is_late_is_sent_all_the_same() {
    let fake = Fake::start().await;
    fake.faults("/oidc/", [Fault::Answer(500, "busy", None), Fault::LoseAnswer]);
    let bench = bench_with(principal(&fake, json!({ "service_principal_oauth": true })));

    xcoms(bench.run(&super::sql::sql(), super::sql::args(json!({ "sql": "INSERT INTO pins VALUES (1)" }))).await);

    let sent = fake.inside().statements.len();
    assert_eq!((sent, fake.requests("history").len()), (1, 0));
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
