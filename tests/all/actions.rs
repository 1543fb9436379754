//! Clear and mark, from outside: what a person asks for happens to runs that run, and to runs that are over.

use std::path::Path;

use rstest::rstest;
use scheduler::store::entity::{run_request, task_instance};
use scheduler::store::requests::{self, Request};
use scheduler::store::{Db, commit, dags, runs};
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::server::{Backend, Installation, eventually, finished, instances};

/// Task instances as `task=state@try`.
fn told(instances: &[task_instance::Model]) -> Vec<String> {
    let one = |row: &task_instance::Model| {
        format!("{}={}@{}", row.task_id, row.state.as_deref().unwrap_or("none"), row.try_number)
    };
    instances.iter().map(one).collect()
}

/// Three tasks in a row; each writes its name to `ledger`, and the second needs the file `world`.
fn chain(folder: &Path) -> String {
    let (ledger, world) = (folder.join("ledger"), folder.join("world"));
    let (ledger, world) = (ledger.display(), world.display());
    format!(
        "tasks:\n  - task_id: a\n    operator: bash\n    bash_command: echo a >> {ledger}\n  \
         - task_id: b\n    operator: bash\n    bash_command: test -e {world} && echo b >> {ledger}\n    dependencies: [a]\n  \
         - task_id: c\n    operator: bash\n    bash_command: echo c >> {ledger}\n    dependencies: [b]\n"
    )
}

/// A task that says its process, leaves a grandchild, and waits for the file `world`; and one behind it.
fn waiting(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "tasks:\n  - task_id: waits\n    operator: bash\n    bash_command: |\n      sleep 1000 &\n      \
         echo $$ $! >> {folder}/pids\n      while ! [ -e {folder}/world ]; do sleep 0.05; done\n      kill $!\n  \
         - task_id: after\n    operator: empty\n    dependencies: [waits]\n"
    )
}

/// The processes that the n-th try of `waits` said it is made of, once it has.
async fn pids(folder: &Path, line: usize) -> Vec<String> {
    eventually("the try's begin", || async {
        let said = std::fs::read_to_string(folder.join("pids")).ok()?;
        let line = said.lines().nth(line)?;
        Some(line.split(' ').map(str::to_owned).collect())
    })
    .await
}

async fn gone(pids: &[String]) {
    eventually("the end of the process tree", || async {
        pids.iter().all(|pid| !Path::new("/proc").join(pid).exists()).then_some(())
    })
    .await;
}

/// Waits until a run is over again after it had ended.
async fn finished_again(db: &Db, dag_id: &str, run_id: &str, clears: i32) {
    eventually(&format!("the end of run {run_id}"), || async {
        let run = runs::get(db.read(), dag_id, run_id).await.unwrap();
        (run.clear_number == clears && matches!(run.state.as_str(), "success" | "failed")).then_some(())
    })
    .await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_failed_runs_again_once_the_world_is_mended(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("chain.yaml", &chain(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "chain", "--run-id", "one"]).await;
    let run = finished(&db, "chain", "one").await;
    assert_eq!(told(&instances(&db, &run).await), ["a=success@1", "b=failed@1", "c=upstream_failed@0"]);

    std::fs::write(installation.path().join("world"), "").unwrap();
    let cleared =
        installation.json(&["tasks", "clear", "chain", "one", "b", "--downstream", "--only-failed", "--yes"]).await;

    assert_eq!(cleared["task_instances"].as_array().unwrap().len(), 2, "{cleared}");
    finished_again(&db, "chain", "one", 1).await;
    let run = finished(&db, "chain", "one").await;
    assert_eq!(run.state, "success");
    assert_eq!(told(&instances(&db, &run).await), ["a=success@1", "b=success@2", "c=success@1"]);

    // Now everything, although nothing failed.
    installation.json(&["tasks", "clear", "chain", "one", "a", "--downstream", "--yes"]).await;
    finished_again(&db, "chain", "one", 2).await;
    let run = finished(&db, "chain", "one").await;
    assert_eq!(told(&instances(&db, &run).await), ["a=success@2", "b=success@3", "c=success@2"]);
    let ledger = std::fs::read_to_string(installation.path().join("ledger")).unwrap();
    assert_eq!(ledger.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "a", "b", "c"]);
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_running_task_that_is_cleared_dies_with_its_children_and_starts_again(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("waiting.yaml", &waiting(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "waiting", "--run-id", "one"]).await;
    let first = pids(installation.path(), 0).await;

    installation.json(&["tasks", "clear", "waiting", "one", "waits", "--yes"]).await;

    let second = pids(installation.path(), 1).await;
    gone(&first).await;
    std::fs::write(installation.path().join("world"), "").unwrap();
    let run = finished(&db, "waiting", "one").await;
    assert_eq!(run.state, "success");
    assert_eq!(told(&instances(&db, &run).await), ["waits=success@2", "after=success@1"]);
    gone(&second).await;
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn marking_success_stops_a_task_and_lets_what_is_behind_it_run(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("waiting.yaml", &waiting(installation.path()));
    installation.write_dag("chain.yaml", &chain(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "waiting", "--run-id", "one"]).await;
    let first = pids(installation.path(), 0).await;

    installation.json(&["tasks", "mark", "waiting", "one", "waits", "success"]).await;

    let run = finished(&db, "waiting", "one").await;
    assert_eq!(told(&instances(&db, &run).await), ["waits=success@1", "after=success@1"]);
    gone(&first).await;

    // What failed, in a run that is over.
    installation.json(&["dags", "trigger", "chain", "--run-id", "one"]).await;
    finished(&db, "chain", "one").await;
    installation.json(&["tasks", "mark", "chain", "one", "b", "success"]).await;
    finished_again(&db, "chain", "one", 1).await;
    let run = finished(&db, "chain", "one").await;
    assert_eq!(run.state, "success");
    assert_eq!(told(&instances(&db, &run).await), ["a=success@1", "b=success@1", "c=success@1"]);
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn clearing_on_the_newest_version_takes_the_mended_file(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let file = |command: &str| format!("tasks: [{{task_id: say, operator: bash, bash_command: {command}}}]\n");
    installation.write_dag("mended.yaml", &file("exit 1"));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "mended", "--run-id", "one"]).await;
    assert_eq!(finished(&db, "mended", "one").await.state, "failed");
    installation.write_dag("mended.yaml", &file("echo mended"));
    eventually("the new version", || async {
        dags::find(db.read(), "mended").await.unwrap().filter(|row| row.source.contains("echo mended"))
    })
    .await;

    installation.json(&["runs", "clear", "mended", "one", "--only-failed"]).await;
    finished_again(&db, "mended", "one", 1).await;
    assert_eq!(finished(&db, "mended", "one").await.state, "failed", "the run keeps its own version");
    installation.json(&["runs", "clear", "mended", "one", "--only-failed", "--latest-version"]).await;
    finished_again(&db, "mended", "one", 2).await;

    let run = finished(&db, "mended", "one").await;
    assert_eq!(run.state, "success");
    let said = runs::pull_xcoms(db.read(), run.id, "say", "return_value").await.unwrap();
    assert_eq!(said, [(-1, serde_json::json!("mended"))]);
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn runs_that_depend_on_the_past_run_one_after_another(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let (ledger, world) = (installation.path().join("ledger"), installation.path().join("world"));
    installation.write_dag(
        "monthly.yaml",
        &format!(
            "schedule: '@monthly'\nstart_date: 2025-01-01\nend_date: 2025-04-01\ncatchup: true\ntasks:\n  \
             - task_id: a\n    operator: bash\n    depends_on_past: true\n    bash_command: |\n      \
             echo {{{{ ds }}}} >> {}\n      [ {{{{ ds }}}} != 2025-02-01 ] || [ -e {} ]\n",
            ledger.display(),
            world.display(),
        ),
    );
    let server = installation.start().await;
    let db = installation.database().await;
    let by_date = || async {
        let mut made = runs::newest(db.read(), Some("monthly"), 10).await.unwrap();
        made.sort_by_key(|run| run.logical_date);
        made
    };
    let made = eventually("four runs, of which the second failed", || async {
        let made = by_date().await;
        (made.len() == 4 && made[1].state == "failed").then_some(made)
    })
    .await;
    let third = eventually("the wait of the third", || async {
        let rows = instances(&db, &made[2]).await;
        rows.into_iter().find(|row| row.reason.is_some())
    })
    .await;
    assert_eq!((third.state, third.try_number), (None, 0), "it waits for the run before: {:?}", third.reason);

    std::fs::write(&world, "").unwrap();
    installation.json(&["runs", "clear", "monthly", &made[1].run_id]).await;
    eventually("the end of all", || async { by_date().await.iter().all(|run| run.state == "success").then_some(()) })
        .await;

    let ledger = std::fs::read_to_string(ledger).unwrap();
    let expected = ["2025-01-01", "2025-02-01", "2025-02-01", "2025-03-01", "2025-04-01"];
    assert_eq!(ledger.lines().collect::<Vec<_>>(), expected);
    assert!(server.stop().await);
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_request_outlives_the_server_that_should_have_carried_it_out(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("waiting.yaml", &waiting(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "waiting", "--run-id", "one"]).await;
    pids(installation.path(), 0).await;
    server.kill().await;

    let args = ["tasks", "mark", "waiting", "one", "waits", "skipped"];
    let mut asking = installation.command(&args).spawn().expect("the binary can be started");
    eventually("the request", || async {
        (run_request::Entity::find().count(db.read()).await.unwrap() > 0).then_some(())
    })
    .await;
    asking.kill().await.unwrap();
    let server = installation.start().await;

    let run = finished(&db, "waiting", "one").await;
    assert_eq!(told(&instances(&db, &run).await), ["waits=skipped@1", "after=skipped@0"]);
    assert_eq!(run_request::Entity::find().count(db.read()).await.unwrap(), 0);

    // The same where the run ended between the request and its owner's look at it.
    let again = Request::Clear {
        instances: vec![("waits".to_owned(), -1), ("after".to_owned(), -1)],
        version: None,
        keeps_run_state: false,
    };
    std::fs::write(installation.path().join("world"), "").unwrap();
    let txn = db.begin_write().await.unwrap();
    requests::insert(&txn, run.id, &again, None, run.updated_at).await.unwrap();
    commit(txn).await.unwrap();
    finished_again(&db, "waiting", "one", 1).await;
    let run = finished(&db, "waiting", "one").await;
    assert_eq!(told(&instances(&db, &run).await), ["waits=success@2", "after=success@1"]);
    assert!(server.stop().await);
}

/// A list of three, each item of which is written to `ledger`, one after another, once the file `world` is there; and a task that
/// is busy until then.
fn mapped(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "tasks:\n  - task_id: busy\n    operator: bash\n    \
         bash_command: while ! [ -e {folder}/world ]; do sleep 0.05; done\n  \
         - task_id: items\n    operator: bash\n    bash_command: cat {folder}/items\n    output_processor: json\n  \
         - task_id: each\n    operator: bash\n    bash_command: |\n      echo $ITEM >> {folder}/ledger\n      \
         while ! [ -e {folder}/world ]; do sleep 0.05; done\n    \
         append_env: true\n    max_active_tis_per_dagrun: 1\n    expand: {{env: items.output}}\n"
    )
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_list_that_is_left_anew_is_mapped_over_anew(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let folder = installation.path();
    let items = |items: [&str; 3]| {
        let items = items.map(|item| serde_json::json!({ "ITEM": item }));
        std::fs::write(folder.join("items"), serde_json::json!(items).to_string()).unwrap();
    };
    let ledger = || std::fs::read_to_string(folder.join("ledger")).unwrap_or_default();
    let begins = async |item: &str| eventually(item, || async { ledger().ends_with(item).then_some(()) }).await;
    items(["a", "b", "c"]);
    installation.write_dag("mapped.yaml", &mapped(folder));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "trigger", "mapped", "--run-id", "one"]).await;
    begins("a\n").await;

    items(["d", "e", "f"]);
    installation.json(&["tasks", "clear", "mapped", "one", "items", "--downstream", "--yes"]).await;
    begins("d\n").await;
    std::fs::write(folder.join("world"), "").unwrap();

    assert_eq!(finished(&db, "mapped", "one").await.state, "success");
    assert_eq!(ledger(), "a\nd\ne\nf\n");
    assert!(server.stop().await);
}
