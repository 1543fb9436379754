//! Another process that locks the SQLite file is waited for, and it is said that it is.

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use crate::server::{Backend, Installation, Server, eventually, finished};

/// Locks the file as a foreign tool does; unlocked by [`unlock`].
async fn lock(installation: &Installation) -> DatabaseConnection {
    let mut options = ConnectOptions::new(installation.database_url());
    options.max_connections(1);
    let foreign = Database::connect(options).await.unwrap();
    foreign.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    foreign
}

async fn unlock(foreign: DatabaseConnection) {
    foreign.execute_unprepared("COMMIT").await.unwrap();
    foreign.close().await.unwrap();
}

#[tokio::test]
async fn a_start_waits_until_the_lock_is_gone() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.json(&["db", "migrate"]).await;
    let foreign = lock(&installation).await;

    let (command, log) = installation.logged_command();
    let starting = tokio::spawn(Server::start(command));
    log.says("the database is locked by another process; waiting until it lets go").await;
    let refused = installation.run(&["dags", "unpause", "any"]).await;
    unlock(foreign).await;

    let server = starting.await.unwrap();
    log.says("the database is free").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("the database is locked by another process"), "{said}");
    assert!(said.contains("hint: stop the other process, or wait until it is done"), "{said}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_running_server_waits_and_goes_on() {
    let installation = Installation::new(Backend::Sqlite).await;
    let flag = installation.path().join("flag");
    let begun = installation.path().join("begun");
    installation.write_dag(
        "waits.yaml",
        &format!(
            "tasks:\n  - task_id: waits\n    operator: bash\n    bash_command: |\n      touch {}\n      \
             while ! [ -e {} ]; do sleep 0.05; done\n  - {{task_id: follows, operator: empty, dependencies: [waits]}}\n",
            begun.display(),
            flag.display()
        ),
    );
    let (server, log) = installation.start_logged().await;
    let token = server.token().await;
    installation.json(&["dags", "trigger", "waits", "--run-id", "one"]).await;
    eventually("the begin of the task", || async { begun.exists().then_some(()) }).await;

    let foreign = lock(&installation).await;
    std::fs::write(&flag, "").unwrap();
    log.says("what happened cannot be written: the database is locked by another process").await;
    let dag = "/api/v2/dags/waits";
    let refused = server.request("PATCH", dag, Some(&token), r#"{"is_paused": true}"#).await;
    let read = server.request("GET", dag, Some(&token), "").await;
    unlock(foreign).await;

    assert_eq!(finished(&installation.database().await, "waits", "one").await.state, "success");
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("Try again in a moment: the database is locked by another process"), "{refused}");
    assert!(read.starts_with("HTTP/1.1 200"), "{read}");
    assert!(server.stop().await);
}
