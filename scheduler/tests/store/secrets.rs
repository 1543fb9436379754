//! Connections, variables, and the keys that they are encrypted with.

use std::sync::Arc;

use rstest::rstest;
use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::connection::{Connection, Secret};
use scheduler::control::{ConnectionPatch, Control, ControlError, VariablePatch};
use scheduler::engine::wake::Waker;
use scheduler::events::Changes;
use scheduler::keyring::{KeyError, Keyring};
use scheduler::operator::{Registry, SecretReader};
use scheduler::secrets::Secrets;
use scheduler::store::{Db, StoreError, commit, connections, secret_keys, variables};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use crate::{Backend, open};

const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

fn control(db: &Db, keys: &str) -> Control {
    let catalog = Catalog::new(Arc::new(Registry::default()));
    let keyring = Arc::new(keys.parse::<Keyring>().unwrap());
    Control::new(db.clone(), catalog, Clock::System, Changes::default(), Waker::new().0).with_keyring(keyring)
}

fn secrets(db: &Db, keys: &str) -> Secrets {
    Secrets::new(Vec::new(), db.clone(), Arc::new(keys.parse().unwrap()))
}

fn databricks() -> Connection {
    Connection {
        host: Some("https://dbc.cloud.databricks.com".to_owned()),
        password: Some(Secret::new("p4ssw0rd")),
        port: Some(443),
        extra: json!({"token": "dapi123", "host": "h"}).as_object().unwrap().clone(),
        ..Connection::new("databricks_default", "databricks")
    }
}

/// Everything in the tables, as whoever steals the database would read it.
async fn stolen(db: &Db) -> String {
    let mut text = String::new();
    for table in ["connection", "variable", "secret_key", "event_log"] {
        let backend = if db.is_postgres() { DbBackend::Postgres } else { DbBackend::Sqlite };
        let rows =
            db.read().query_all_raw(Statement::from_string(backend, format!("SELECT * FROM {table}"))).await.unwrap();
        for row in rows {
            for column in row.column_names() {
                text += &row.try_get::<Option<String>>("", &column).ok().flatten().unwrap_or_default();
                text += "\n";
            }
        }
    }
    text
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn connections_are_kept_without_anybody_being_able_to_read_their_secrets(#[case] backend: Backend) {
    let db = open(backend).await;
    let control = control(&db, OLD);

    control.create_connection(&databricks(), Some("me")).await.unwrap();
    control.create_variable("api_token", "hush-hush", Some("For the API"), Some("me")).await.unwrap();
    let extra = json!({"kube_config": "users: [{token: hidden-there}]", "namespace": "nobodys-business"});
    let cluster = Connection { extra: extra.as_object().unwrap().clone(), ..Connection::new("cluster", "kubernetes") };
    control.create_connection(&cluster, Some("me")).await.unwrap();

    let again = control.create_connection(&databricks(), None).await;
    assert!(matches!(again, Err(ControlError::Conflict(_))), "{again:?}");
    let again = control.create_variable("api_token", "x", None, None).await;
    assert!(matches!(again, Err(ControlError::Conflict(_))), "{again:?}");
    let read = secrets(&db, OLD);
    assert_eq!(read.connection("databricks_default").await.unwrap(), Some(databricks()));
    assert_eq!(read.variable("api_token").await.unwrap().as_deref(), Some("hush-hush"));
    assert_eq!(read.connection("other").await.unwrap(), None);
    let stolen = stolen(&db).await;
    assert!(stolen.contains("databricks_default") && stolen.contains("For the API"), "{stolen}");
    let secret = ["p4ssw0rd", "dapi123", "hush-hush", "hidden-there", "nobodys-business", OLD];
    assert!(!secret.iter().any(|secret| stolen.contains(secret)), "{stolen}");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_what_it_names_by_three_stars(#[case] backend: Backend) {
    let db = open(backend).await;
    let control = control(&db, OLD);
    control.create_connection(&databricks(), None).await.unwrap();
    control.create_variable("region", "eu", Some("Where"), None).await.unwrap();

    let patch = ConnectionPatch {
        password: Some(Some(Secret::new("***"))),
        port: Some(None),
        extra: json!({"token": "***", "more": 1}).as_object().cloned(),
        ..ConnectionPatch::default()
    };
    control.patch_connection("databricks_default", patch, None).await.unwrap();
    let patch = VariablePatch { value: Some("us".to_owned()), ..VariablePatch::default() };
    control.patch_variable("region", patch, None).await.unwrap();

    let expected = Connection {
        port: None,
        extra: json!({"token": "dapi123", "more": 1}).as_object().unwrap().clone(),
        ..databricks()
    };
    assert_eq!(secrets(&db, OLD).connection("databricks_default").await.unwrap(), Some(expected));
    let row = variables::get(db.read(), "region").await.unwrap();
    assert_eq!(row.description.as_deref(), Some("Where"));
    assert_eq!(secrets(&db, OLD).variable("region").await.unwrap().as_deref(), Some("us"));

    control.delete_connection("databricks_default", None).await.unwrap();
    control.delete_variable("region", None).await.unwrap();
    let gone = control.delete_connection("databricks_default", None).await;
    assert!(matches!(gone, Err(ControlError::NotFound { .. })), "{gone:?}");
    assert!(variables::list(db.read()).await.unwrap().is_empty());
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_key_is_rotated_with_everything_that_it_encrypts(#[case] backend: Backend) {
    let db = open(backend).await;
    control(&db, OLD).create_connection(&databricks(), None).await.unwrap();
    control(&db, OLD).create_variable("region", "eu", None, None).await.unwrap();

    let rotated = control(&db, &format!("{NEW},{OLD}")).rotate_key(None).await.unwrap();

    assert_eq!((rotated.connections, rotated.variables), (1, 1));
    assert_eq!(secrets(&db, NEW).connection("databricks_default").await.unwrap(), Some(databricks()));
    assert_eq!(secrets(&db, NEW).variable("region").await.unwrap().as_deref(), Some("eu"));
    assert!(secrets(&db, OLD).variable("region").await.is_err());
    let new: Keyring = NEW.parse().unwrap();
    assert_eq!(secret_keys::list(db.read()).await.unwrap(), [new.first_id().unwrap()]);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn another_key_is_told_what_it_lacks_and_changes_nothing(#[case] backend: Backend) {
    let db = open(backend).await;
    control(&db, OLD).create_connection(&databricks(), None).await.unwrap();
    let old: Keyring = OLD.parse().unwrap();
    let other = control(&db, NEW);

    let problem = secrets(&db, NEW).connection("databricks_default").await.unwrap_err();
    let problem = format!("{problem:#}");
    assert!(problem.contains("`databricks_default`") && problem.contains(old.first_id().unwrap()), "{problem}");
    let created = other.create_connection(&Connection::new("more", "http"), None).await;
    assert!(matches!(created, Err(ControlError::Store(StoreError::Key(KeyError::Mismatch { .. })))), "{created:?}");
    let rotated = other.rotate_key(None).await;
    assert!(matches!(rotated, Err(ControlError::Store(StoreError::Key(KeyError::OtherKey { .. })))), "{rotated:?}");
    assert_eq!(connections::list(db.read()).await.unwrap().len(), 1);

    // The key is lost: what it encrypted is deleted, and then the other one is the key.
    other.delete_connection("databricks_default", None).await.unwrap();
    other.rotate_key(None).await.unwrap();
    other.create_connection(&databricks(), None).await.unwrap();
    assert_eq!(secrets(&db, NEW).connection("databricks_default").await.unwrap(), Some(databricks()));
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn without_a_key_no_secret_is_taken(#[case] backend: Backend) {
    let db = open(backend).await;
    let without = Control::new(
        (*db).clone(),
        Catalog::new(Arc::new(Registry::default())),
        Clock::System,
        Changes::default(),
        Waker::new().0,
    );

    let refused = without.create_connection(&databricks(), None).await.unwrap_err().to_string();
    assert!(refused.contains("UPDRAFT_SECRET_KEY"), "{refused}");
    without.create_connection(&Connection::new("open", "http"), None).await.unwrap();
    assert_eq!(connections::list(db.read()).await.unwrap().len(), 1);
}

/// Waits until somebody stands in line for a table.
async fn somebody_waits(db: &Db) {
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = \
                   current_database()";
    let count = async || {
        let asked = Statement::from_string(DbBackend::Postgres, waiting);
        db.read().query_one_raw(asked).await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap()
    };
    while count().await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_changed_while_keys_are_rotated_is_not_lost() {
    let db = open(Backend::Postgres).await;
    control(&db, OLD).create_connection(&databricks(), None).await.unwrap();
    let changed = Connection { password: Some(Secret::new("other-word")), ..databricks() };
    let old: Keyring = OLD.parse().unwrap();

    let changing = db.begin_write().await.unwrap();
    secret_keys::register(&changing, &old, Clock::System.now()).await.unwrap();
    connections::update(&changing, &old, &changed).await.unwrap();
    let control = control(&db, &format!("{NEW},{OLD}"));
    let rotating = tokio::spawn(async move { control.rotate_key(None).await });
    somebody_waits(&db).await;
    commit(changing).await.unwrap();
    rotating.await.unwrap().unwrap();

    assert_eq!(secrets(&db, NEW).connection("databricks_default").await.unwrap(), Some(changed));
}

#[tokio::test]
async fn nothing_is_encrypted_with_a_key_that_is_rotated_away_meanwhile() {
    let db = open(Backend::Postgres).await;
    control(&db, OLD).create_variable("region", "eu", None, None).await.unwrap();
    let both: Keyring = format!("{NEW},{OLD}").parse().unwrap();

    let rotating = db.begin_write().await.unwrap();
    secret_keys::rotate(&rotating, &both, Clock::System.now()).await.unwrap();
    let control = control(&db, OLD);
    let late = tokio::spawn(async move { control.create_variable("late", "hush-hush", None, None).await.map(|_| ()) });
    somebody_waits(&db).await;
    commit(rotating).await.unwrap();

    let refused = late.await.unwrap();
    assert!(matches!(refused, Err(ControlError::Store(StoreError::Key(KeyError::Mismatch { .. })))), "{refused:?}");
    let new: Keyring = NEW.parse().unwrap();
    assert_eq!(secret_keys::list(db.read()).await.unwrap(), [new.first_id().unwrap()]);
}
