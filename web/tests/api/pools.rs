//! Pools.

use axum::http::StatusCode;
use insta::assert_json_snapshot;
use rstest::rstest;
use serde_json::{Value, json};

use crate::rows;
use crate::server::{Backend, Server};

fn names(body: &Value) -> Vec<&str> {
    body["pools"].as_array().unwrap().iter().map(|pool| pool["name"].as_str().unwrap()).collect()
}

async fn make(server: &Server, name: &str, slots: i32) -> Value {
    let (status, pool) = server.post("/pools", &json!({ "name": name, "slots": slots })).await;
    assert_eq!(status, StatusCode::CREATED, "{pool}");
    pool
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn pools_are_listed_with_what_is_taken(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    make(&server, "warehouse", 4).await;
    make(&server, "open", -1).await;
    let run = rows::run(&server.db, "a", "running", 1).await;
    let states = [Some("running"), Some("scheduled"), Some("deferred"), Some("success"), None];
    let instances = states.iter().zip(0..).map(|(state, place)| {
        let mut instance = rows::instance(&run, &format!("t{place}"), place, *state);
        "warehouse".clone_into(&mut instance.pool);
        instance.pool_slots = 1 << place;
        instance
    });
    rows::insert(&server.db, instances).await;

    let list = server.get_ok("/pools").await;

    assert_json_snapshot!("pools", list);
    assert_eq!(server.get_ok("/pools/warehouse").await, list["pools"][1]);
    for (query, expected) in [
        ("order_by=name", &["default_pool", "open", "warehouse"][..]),
        ("order_by=-pool", &["warehouse", "open", "default_pool"]),
        ("pool_name_pattern=POOL", &["default_pool"]),
        ("pool_name_prefix_pattern=ware|op", &["warehouse", "open"]),
        ("limit=1&offset=1", &["warehouse"]),
    ] {
        assert_eq!(names(&server.get_ok(&format!("/pools?{query}")).await), expected, "{query}");
    }
    assert_eq!(server.get_ok("/pools?limit=0").await, json!({ "pools": [], "total_entries": 3 }));
    assert_eq!(server.get("/pools?order_by=slots").await.0, StatusCode::BAD_REQUEST);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn pools_are_made_changed_and_deleted(#[case] backend: Backend) {
    let server = Server::start(backend).await;

    let body = json!({ "name": "etl", "slots": 4, "description": "Loads", "include_deferred": true });
    let (status, made) = server.post("/pools", &body).await;
    assert_eq!((status, &made["slots"], &made["open_slots"]), (StatusCode::CREATED, &json!(4), &json!(4)));
    assert_eq!((&made["description"], &made["include_deferred"]), (&json!("Loads"), &json!(true)));

    let (status, again) = server.post("/pools", &body).await;
    assert_eq!((status, &again["detail"]["reason"]), (StatusCode::CONFLICT, &json!("Unique constraint violation")));

    let (status, masked) =
        server.patch("/pools/etl?update_mask=slots", &json!({ "slots": 8, "description": "not this" })).await;
    assert_eq!((status, &masked["slots"], &masked["description"]), (StatusCode::OK, &json!(8), &json!("Loads")));
    let whole = json!({ "pool": "load", "slots": -1, "description": null, "include_deferred": false });
    let (status, renamed) = server.patch("/pools/etl", &whole).await;
    assert_eq!((status, &renamed["name"], &renamed["slots"]), (StatusCode::OK, &json!("load"), &json!(-1)));
    assert_eq!((&renamed["description"], &renamed["open_slots"]), (&Value::Null, &json!(-1)));
    assert_eq!(server.get("/pools/etl").await.0, StatusCode::NOT_FOUND);

    assert_eq!(server.delete("/pools/load").await, (StatusCode::NO_CONTENT, Value::Null));
    let (status, gone) = server.delete("/pools/load").await;
    assert_eq!((status, &gone["detail"]), (StatusCode::NOT_FOUND, &json!("The Pool with name: `load` was not found")));
    let log = server.get_ok("/eventLogs?event_pattern=pool&order_by=id").await;
    let events: Vec<&str> =
        log["event_logs"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["post_pool", "patch_pool", "patch_pool", "delete_pool"]);
}

/// Airflow semantics, section 5: the default pool is undeletable; only its slots and what takes them can be changed.
#[tokio::test]
async fn the_default_pool_stays() {
    let server = Server::start(Backend::Sqlite).await;

    let (status, body) = server.delete("/pools/default_pool").await;
    assert_eq!((status, &body["detail"]), (StatusCode::BAD_REQUEST, &json!("Default Pool can't be deleted")));
    let rename = json!({ "pool": "other", "slots": 1 });
    assert_eq!(server.patch("/pools/default_pool", &rename).await.0, StatusCode::BAD_REQUEST);
    let (status, body) = server.patch("/pools/default_pool?update_mask=slots", &json!({ "slots": 64 })).await;
    assert_eq!((status, &body["slots"]), (StatusCode::OK, &json!(64)));
}

#[tokio::test]
async fn what_makes_no_pool_is_refused() {
    let server = Server::start(Backend::Sqlite).await;
    make(&server, "taken", 1).await;

    for (body, status) in [
        (json!({ "name": "a" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "slots": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": null, "slots": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "a", "slots": -2 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "a", "slots": 1.5 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "a".repeat(257), "slots": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "a", "slots": 1, "team_name": "blue" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "a", "slots": 1, "colour": "blue" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "name": "", "slots": 1 }), StatusCode::BAD_REQUEST),
        (json!({ "name": "taken", "slots": 1 }), StatusCode::CONFLICT),
    ] {
        assert_eq!(server.post("/pools", &body).await.0, status, "{body}");
    }
    let patch = async |path: &str, body: Value| server.patch(path, &body).await.0;
    assert_eq!(patch("/pools/taken", json!({ "slots": 3 })).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        patch("/pools/taken?update_mask=slots", json!({ "slots": "many" })).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(patch("/pools/nothing?update_mask=slots", json!({ "slots": 3 })).await, StatusCode::NOT_FOUND);
    let rename = json!({ "pool": "default_pool" });
    assert_eq!(patch("/pools/taken?update_mask=pool", rename).await, StatusCode::CONFLICT);
    assert_eq!(names(&server.get_ok("/pools").await), ["default_pool", "taken"]);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn pools_are_changed_in_bulk(#[case] backend: Backend) {
    let server = Server::start(backend).await;
    make(&server, "old", 1).await;
    let pool = |name: &str, slots: i32| json!({ "name": name, "slots": slots });

    let refused = json!({ "actions": [
        { "action": "create", "entities": [pool("new", 1), pool("old", 2)] },
        { "action": "update", "entities": [pool("new", 1)] },
        { "action": "delete", "entities": ["default_pool"] },
    ] });
    let (status, answer) = server.patch("/pools", &refused).await;
    assert_eq!(status, StatusCode::OK);
    assert_json_snapshot!("bulk_refused", answer);
    assert_eq!(names(&server.get_ok("/pools").await), ["default_pool", "old"]);

    let done = json!({ "actions": [
        { "action": "create", "entities": [pool("new", 1), pool("old", 2)], "action_on_existence": "overwrite" },
        { "action": "update", "entities": [pool("new", 3), pool("none", 3)], "action_on_non_existence": "skip" },
        { "action": "delete", "entities": [pool("old", 2), "none"], "action_on_non_existence": "skip" },
    ] });
    let (status, answer) = server.patch("/pools", &done).await;
    assert_eq!(status, StatusCode::OK);
    assert_json_snapshot!("bulk_done", answer);
    assert_eq!(server.get_ok("/pools/new").await["slots"], 3);
    assert_eq!(names(&server.get_ok("/pools").await), ["default_pool", "new"]);

    let twice = json!({ "actions": [
        { "action": "update", "entities": [pool("new", 5)], "update_mask": ["slots"] },
        { "action": "update", "entities": [pool("none", 5)] },
        { "action": "update", "entities": [pool("default_pool", 64)], "update_mask": ["slots"] },
    ] });
    let (_, answer) = server.patch("/pools", &twice).await;
    assert_eq!(answer["update"]["success"], json!(["new", "default_pool"]), "each change is told of");
    assert_eq!(answer["update"]["errors"][0]["status_code"], 404);

    let wrong =
        json!({ "actions": [{ "action": "create", "entities": [pool("a", 1), { "name": "b", "slots": "x" }] }] });
    let (status, answer) = server.patch("/pools", &wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "actions", 0, "entities", 1, "slots"]));
    assert_eq!(server.patch("/pools", &json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.patch("/pools", &json!({ "actions": [1] })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}
