//! Connections and variables.

use axum::http::StatusCode;
use rstest::rstest;
use scheduler::connection::{Connection, Secret};
use scheduler::keyring::Keyring;
use scheduler::store::{commit, connections, variables};
use serde_json::{Value, json};

use crate::server::{Backend, Server};

fn names<'a>(body: &'a Value, list: &str, key: &str) -> Vec<&'a str> {
    body[list].as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

fn databricks() -> Value {
    json!({
        "connection_id": "databricks_default",
        "conn_type": "databricks",
        "host": "https://dbc",
        "login": "me",
        "password": "p4ssw0rd",
        "port": 443,
        "extra": r#"{"token": "dapi123", "host": "h", "azure": {"client_secret": "s3cret"}}"#,
    })
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn connections_are_made_shown_without_secrets_changed_and_deleted(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let (status, made) = server.post("/connections", &databricks()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let expected = json!({
        "connection_id": "databricks_default",
        "conn_type": "databricks",
        "description": null,
        "host": "https://dbc",
        "login": "me",
        "schema": null,
        "port": 443,
        "password": "***",
        "extra": r#"{"token":"***","host":"h","azure":{"client_secret":"***"}}"#,
        "team_name": null,
    });
    assert_eq!(made, expected);
    assert_eq!(server.get_ok("/connections/databricks_default").await, expected);
    let (status, again) = server.post("/connections", &databricks()).await;
    assert_eq!((status, &again["detail"]["reason"]), (StatusCode::CONFLICT, &json!("Unique constraint violation")));

    // What was shown masked is sent back, with one value that is new.
    let extra = r#"{"token":"***","host":"h2","azure":{"client_secret":"***"}}"#;
    let body =
        json!({ "connection_id": "databricks_default", "conn_type": "databricks", "password": "***", "extra": extra });
    let (status, changed) = server.patch("/connections/databricks_default", &body).await;
    assert_eq!((status, &changed["extra"], &changed["host"]), (StatusCode::OK, &json!(extra), &json!("https://dbc")));
    let body = json!({ "connection_id": "databricks_default", "conn_type": "http", "host": null, "login": "you" });
    let (status, masked) = server.patch("/connections/databricks_default?update_mask=host", &body).await;
    assert_eq!((status, &masked["host"], &masked["login"]), (StatusCode::OK, &Value::Null, &json!("me")));
    assert_eq!(masked["conn_type"], "databricks");
    let stored = server.stored_connection("databricks_default").await;
    assert_eq!(stored.password.unwrap().reveal(), "p4ssw0rd");
    assert_eq!(
        Value::Object(stored.extra),
        json!({"token": "dapi123", "host": "h2", "azure": {"client_secret": "s3cret"}})
    );

    let other = json!({ "connection_id": "other", "conn_type": "http" });
    assert_eq!(server.patch("/connections/databricks_default", &other).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.patch("/connections/other", &other).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.delete("/connections/databricks_default").await.0, StatusCode::NO_CONTENT);
    let (status, gone) = server.get("/connections/databricks_default").await;
    let why = "The Connection with connection_id: `databricks_default` was not found";
    assert_eq!((status, &gone["detail"]), (StatusCode::NOT_FOUND, &json!(why)));
    let log = server.get_ok("/eventLogs?order_by=event_log_id").await;
    let events = names(&log, "event_logs", "event");
    assert_eq!(events, ["post_connection", "patch_connection", "patch_connection", "delete_connection"]);
    let text = log.to_string();
    assert!(!["p4ssw0rd", "dapi123", "s3cret"].iter().any(|secret| text.contains(secret)), "{text}");
}

#[tokio::test]
async fn connections_are_listed_in_pages_by_id_and_type() {
    let server = Server::start(Backend::Sqlite).await;
    for (id, kind) in [("b", "http"), ("a", "postgres"), ("c", "http")] {
        let body = json!({ "connection_id": id, "conn_type": kind });
        assert_eq!(server.post("/connections", &body).await.0, StatusCode::CREATED);
    }
    for (query, expected) in [
        ("", &["b", "a", "c"][..]),
        ("?order_by=connection_id", &["a", "b", "c"]),
        ("?order_by=-conn_type&order_by=conn_id", &["a", "b", "c"]),
        ("?connection_id_pattern=A", &["a"]),
        ("?limit=1&offset=1", &["a"]),
    ] {
        let list = server.get_ok(&format!("/connections{query}")).await;
        assert_eq!(names(&list, "connections", "connection_id"), expected, "{query}");
    }
    assert_eq!(server.get("/connections?order_by=password").await.0, StatusCode::BAD_REQUEST);
}

#[rstest]
#[case(json!({ "conn_type": "http" }), "connection_id")]
#[case(json!({ "connection_id": "a b", "conn_type": "http" }), "connection_id")]
#[case(json!({ "connection_id": "x", "conn_type": "" }), "conn_type")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "port": 70000 }), "port")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "extra": "hush" }), "extra")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "extra": "[1]" }), "extra")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "extra": {} }), "extra")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "colour": 1 }), "colour")]
#[case(json!({ "connection_id": "x", "conn_type": "http", "team_name": "a" }), "team_name")]
#[tokio::test]
async fn a_connection_that_makes_no_sense_is_refused(#[case] body: Value, #[case] field: &str) {
    let server = Server::start(Backend::Sqlite).await;
    let (status, refusal) = server.post("/connections", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refusal}");
    assert_eq!(refusal["detail"][0]["loc"], json!(["body", field]), "{refusal}");
}

#[tokio::test]
async fn a_connection_is_tried_out_with_the_secrets_that_are_kept() {
    let server = Server::start(Backend::Sqlite).await;
    let body = json!({ "connection_id": "a", "conn_type": "tale", "password": "p4ssw0rd" });
    server.post("/connections", &body).await;

    let (status, tested) =
        server.post("/connections/test", &json!({ "connection_id": "a", "conn_type": "tale" })).await;
    assert_eq!((status, &tested), (StatusCode::OK, &json!({ "status": true, "message": "signed in with ***" })));
    let body = json!({ "connection_id": "new", "conn_type": "tale", "password": "wrong-one" });
    let (_, tested) = server.post("/connections/test", &body).await;
    assert_eq!(tested, json!({ "status": false, "message": "*** is not the password" }));
    let (_, tested) = server.post("/connections/test", &json!({ "connection_id": "x", "conn_type": "odd" })).await;
    assert_eq!(tested["status"], false);
    assert_eq!(server.post("/connections/defaults", &json!(null)).await.0, StatusCode::NO_CONTENT);

    let types = server.get_ok("/updraft/connection-types").await;
    assert_eq!(types["connection_types"][0]["conn_type"], "tale");
    assert_eq!(types["connection_types"][0]["fields"][0]["kind"], "secret");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn variables_are_made_shown_changed_and_deleted(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let (status, made) =
        server.post("/variables", &json!({ "key": "limits", "value": { "rows": 5 }, "description": "d" })).await;
    let expected = json!({ "key": "limits", "value": "{\"rows\":5}", "description": "d", "is_encrypted": true, "team_name": null });
    assert_eq!((status, &made), (StatusCode::CREATED, &expected));
    server.post("/variables", &json!({ "key": "api_token", "value": "hush" })).await;
    server.post("/variables", &json!({ "key": "a/b c", "value": "x" })).await;
    let (status, again) = server.post("/variables", &json!({ "key": "limits", "value": "x" })).await;
    assert_eq!(
        (status, &again["detail"]),
        (StatusCode::CONFLICT, &json!("The Variable with key: `limits` already exists"))
    );

    let list = server.get_ok("/variables?order_by=key").await;
    assert_eq!(names(&list, "variables", "key"), ["a/b c", "api_token", "limits"]);
    assert_eq!(names(&list, "variables", "value"), ["x", "***", "{\"rows\":5}"]);
    assert_eq!(names(&server.get_ok("/variables?variable_key_pattern=LIM").await, "variables", "key"), ["limits"]);
    let (status, changed) = server
        .patch("/variables/api_token", &json!({ "key": "api_token", "value": "***", "description": "new" }))
        .await;
    assert_eq!((status, &changed["description"]), (StatusCode::OK, &json!("new")));
    assert_eq!(server.stored_variable("api_token").await, "hush");
    let body = json!({ "key": "limits", "value": "9", "description": null });
    let (_, changed) = server.patch("/variables/limits?update_mask=value", &body).await;
    assert_eq!((&changed["value"], &changed["description"]), (&json!("9"), &json!("d")));

    server
        .post("/variables", &json!({ "key": "mail", "value": { "host": "h", "password": "hush", "ports": [1] } }))
        .await;
    let shown = server.get_ok("/variables/mail").await["value"].clone();
    assert_eq!(shown, r#"{"host":"h","password":"***","ports":[1]}"#);
    server.patch("/variables/mail", &json!({ "key": "mail", "value": shown, "description": "of ours" })).await;
    assert_eq!(server.stored_variable("mail").await, r#"{"host":"h","password":"hush","ports":[1]}"#);
    let changed = json!({ "key": "mail", "value": { "host": "other", "password": "***" } });
    server.patch("/variables/mail", &changed).await;
    assert_eq!(server.stored_variable("mail").await, r#"{"host":"other","password":"hush"}"#);

    assert_eq!(server.patch("/variables/limits", &json!({ "key": "x", "value": "" })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.post("/variables", &json!({ "key": "x" })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.delete("/variables/a%2Fb%20c").await.0, StatusCode::NO_CONTENT);
    assert_eq!(server.delete("/variables/none").await.0, StatusCode::NOT_FOUND);
    assert!(!server.get_ok("/eventLogs").await.to_string().contains("hush"));
}

#[tokio::test]
async fn both_are_changed_in_bulk() {
    let server = Server::start(Backend::Sqlite).await;
    server.post("/connections", &databricks()).await;
    let connection = |id: &str, host: &str| json!({ "connection_id": id, "conn_type": "http", "host": host });
    let actions = json!({ "actions": [
        { "action": "create", "entities": [connection("databricks_default", "x"), connection("new", "x")] },
        { "action": "create", "entities": [connection("databricks_default", "x"), connection("new", "x")], "action_on_existence": "skip" },
        { "action": "update", "entities": [connection("new", "y")], "update_mask": ["host"] },
        { "action": "delete", "entities": ["nobody", "databricks_default"], "action_on_non_existence": "skip" },
    ] });

    let (status, answer) = server.patch("/connections", &actions).await;

    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["create"]["success"], json!(["new"]));
    assert_eq!(answer["update"]["success"], json!(["new"]));
    assert_eq!(answer["delete"]["success"], json!(["databricks_default"]));
    let list = server.get_ok("/connections").await;
    assert_eq!(
        (names(&list, "connections", "connection_id"), &list["connections"][0]["host"]),
        (vec!["new"], &json!("y"))
    );
    let actions = json!({ "actions": [
        { "action": "create", "entities": [{ "key": "a", "value": "1" }] },
        { "action": "update", "entities": [{ "key": "b", "value": "1" }] },
    ] });
    let (_, answer) = server.patch("/variables", &actions).await;
    assert_eq!(answer["create"]["success"], json!(["a"]));
    assert_eq!(answer["update"]["errors"][0]["error"], "The variables with these keys: b were not found.");
}

#[tokio::test]
async fn what_another_key_has_encrypted_breaks_no_list_and_can_be_set_anew() {
    let server = Server::start(Backend::Sqlite).await;
    let other: Keyring = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=".parse().unwrap();
    let lost = Connection {
        password: Some(Secret::new("p4ssw0rd")),
        extra: json!({ "token": "t" }).as_object().unwrap().clone(),
        ..Connection::new("lost", "http")
    };
    let txn = server.db.begin_write().await.unwrap();
    connections::insert(&txn, &other, &lost).await.unwrap();
    variables::insert(&txn, &other, "gone", "x", None).await.unwrap();
    commit(txn).await.unwrap();

    let list = server.get_ok("/connections").await;
    assert_eq!((&list["connections"][0]["password"], &list["connections"][0]["extra"]), (&json!("***"), &json!("***")));
    assert_eq!(server.get_ok("/variables").await["variables"][0]["value"], "***");

    let mut body = json!({ "connection_id": "lost", "conn_type": "http", "host": "h", "extra": "***" });
    let (status, refused) = server.patch("/connections/lost", &body).await;
    let why = refused["detail"].as_str().unwrap();
    assert!(status == StatusCode::INTERNAL_SERVER_ERROR && why.contains("set the password anew"), "{refused}");
    body["password"] = json!("new-word");
    body["extra"] = json!("{}");
    let (status, changed) = server.patch("/connections/lost", &body).await;
    assert_eq!((status, &changed["host"], &changed["extra"]), (StatusCode::OK, &json!("h"), &Value::Null));
    assert_eq!(server.stored_connection("lost").await.password.unwrap().reveal(), "new-word");
    assert_eq!(server.patch("/variables/gone", &json!({ "key": "gone", "value": "y" })).await.0, StatusCode::OK);
}
