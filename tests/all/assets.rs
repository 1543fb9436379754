//! Assets as people use them: DAGs that make and wait for them, the commands, and a server that is killed in between.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use scheduler::store::asset_queue::{self, QueueFilter};
use scheduler::store::entity::dag_run;
use scheduler::store::read::{self, AssetEventFilter, AssetEventRow, Direction, Paging, Sorting};
use scheduler::store::{Db, runs};
use serde_json::{Value, json};

use crate::server::{Backend, Installation, eventually, finished};

/// The runs of a DAG once there are so many and all are over, oldest first.
async fn runs_of(db: &Db, dag_id: &str, count: usize) -> Vec<dag_run::Model> {
    eventually(&format!("{count} runs of {dag_id}"), || async {
        let mut found = runs::newest(db.read(), Some(dag_id), 1000).await.unwrap();
        found.reverse();
        let are_over = found.iter().all(|run| matches!(run.state.as_str(), "success" | "failed"));
        (found.len() >= count && are_over).then_some(found)
    })
    .await
}

async fn events(db: &Db) -> Vec<AssetEventRow> {
    let keys = read::asset_event_sort_key("id").map(|key| (key, Direction::Ascending));
    let paging = Paging::Offset { limit: 100_000, offset: 0 };
    let sorting = Sorting::new(keys.into_iter().collect());
    read::list_asset_events(db.read(), &AssetEventFilter::default(), &sorting, &paging).await.unwrap().rows
}

/// Whether `dags next` says something.
async fn next(installation: &Installation, dag_id: &str) -> String {
    let output = installation.run(&["dags", "next", dag_id]).await;
    String::from_utf8(output.stdout).unwrap()
}

fn maker(asset: &str) -> String {
    format!("tasks: [{{task_id: make, operator: bash, bash_command: 'true', outlets: [{asset}]}}]\n")
}

/// A report of what it was made for, and of the newest event of its inlet.
fn report(folder: &Path) -> String {
    format!(
        "schedule: [s3://lake/orders, {{name: customers, uri: 's3://lake/customers'}}]
tasks:
  - task_id: tell
    operator: bash
    inlets: [{{name: customers, uri: 's3://lake/customers'}}]
    bash_command: |
      {{% for asset, events in triggering_asset_events.items() %}}
      echo '{{{{ asset }}}} {{% for event in events %}}{{{{ event.source_dag_id }}}} {{{{ event.extra.rows | default('') }}}};{{% endfor %}}' >> {0}/told
      {{% endfor %}}
      echo '{{{{ inlet_events['customers'][-1].extra.rows }}}}' >> {0}/told
",
        folder.display()
    )
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn who_waits_for_both_runs_when_both_were_updated(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("orders.yaml", &maker("s3://lake/orders"));
    installation.write_dag("report.yaml", &report(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    assert!(
        next(&installation, "report").await.contains("report runs when s3://lake/orders and customers: does not hold")
    );

    installation.json(&["assets", "materialize", "s3://lake/orders", "--run-id", "one"]).await;
    assert_eq!(finished(&db, "orders", "one").await.run_type, "asset_materialization");
    let shown = installation.json(&["assets", "show", "s3://lake/orders"]).await;
    assert_eq!(shown["queued_for"][0]["dag_id"], "report", "{shown}");
    assert!(next(&installation, "report").await.contains("updated"), "it says what was updated");
    assert!(runs::newest(db.read(), Some("report"), 1).await.unwrap().is_empty());
    let emitted = installation.json(&["assets", "emit", "customers", "--extra", r#"{"rows": 7}"#]).await;
    assert_eq!((&emitted["extra"]["rows"], &emitted["source_dag_id"]), (&json!(7), &Value::Null));

    let [run] = runs_of(&db, "report", 1).await.try_into().unwrap();
    assert_eq!((run.state.as_str(), run.run_type.as_str()), ("success", "asset_triggered"));
    let told = std::fs::read_to_string(installation.path().join("told")).unwrap();
    assert_eq!(told, "s3://lake/orders orders ;\ns3://lake/customers None 7;\n7\n");
    let listed = installation.json(&["assets", "events"]).await;
    let made: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["created_dagruns"][0]["dag_run_id"].as_str().unwrap())
        .collect();
    assert_eq!(made, [&run.run_id, &run.run_id]);
    let assets = installation.json(&["assets", "list"]).await;
    let names: Vec<&str> = assets.as_array().unwrap().iter().map(|asset| asset["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["customers", "s3://lake/orders"]);
    assert_eq!(assets[1]["producing_tasks"], json!([{ "dag_id": "orders", "task_id": "make" }]));
    assert!(server.stop().await);
}

const KNOWS: &str = r#"tasks:
  - task_id: make
    operator: bash
    outlets: [s3://lake/orders, {alias: days}]
    bash_command: |
      echo '{"asset": "s3://lake/orders", "extra": {"rows": {{ 3 + 4 }}}}' >> $UPDRAFT_OUTLET_EVENTS
      echo '{"alias": "days", "asset": {"name": "day", "uri": "s3://lake/day"}, "extra": {"rows": 2}}' >> $UPDRAFT_OUTLET_EVENTS
"#;

/// What a task says of its outlets, and what it finds under an alias, in the process of the scheduler and in a worker.
#[rstest]
#[case::standalone(Backend::Sqlite, &["standalone"])]
#[case::worker(Backend::Postgres, &["scheduler", "worker", "api-server"])]
#[tokio::test]
async fn what_a_task_knows_of_its_assets_reaches_those_who_wait(#[case] backend: Backend, #[case] roles: &[&str]) {
    let installation = Installation::new(backend).await;
    installation.write_dag("knows.yaml", KNOWS);
    let told = "bash_command: \"echo '{% for asset, events in triggering_asset_events.items() %}{{ asset }} \
                {{ events[0].extra.rows }};{% endfor %}'\"";
    installation.write_dag(
        "waits.yaml",
        &format!("schedule: [s3://lake/orders, {{name: day, uri: 's3://lake/day'}}]\ntasks: [{{task_id: t, operator: bash, {told}}}]\n"),
    );
    if let Backend::Postgres = backend {
        // Several processes that start at once find it made.
        installation.database().await.migrate().await.unwrap();
    }
    let mut servers = Vec::new();
    for role in roles {
        let flags: &[&str] = if *role == "standalone" || *role == "api-server" { &["--port", "0"] } else { &[] };
        servers.push(installation.start_role(role, flags).await);
    }
    let db = installation.database().await;
    let api = servers.last().unwrap();
    let token = api.token().await;
    let get = async |path: &str| {
        let answer = api.request("GET", &format!("/api/v2/{path}"), Some(&token), "").await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{answer}"))
    };

    installation.json(&["dags", "trigger", "knows", "--run-id", "one", "--wait"]).await;
    let [run] = runs_of(&db, "waits", 1).await.try_into().unwrap();

    let xcom =
        get(&format!("dags/waits/dagRuns/{}/taskInstances/t/xcomEntries/return_value?deserialize=true", run.run_id))
            .await;
    assert_eq!(xcom["value"], "s3://lake/orders 7;s3://lake/day 2;");
    let events = get("assets/events").await;
    let events = events["asset_events"].as_array().unwrap_or_else(|| panic!("{events}"));
    let extras: BTreeMap<String, String> =
        events.iter().map(|event| (event["uri"].to_string(), event["extra"].to_string())).collect();
    let expected = [(r#""s3://lake/day""#, r#"{"rows":2}"#), (r#""s3://lake/orders""#, r#"{"rows":7}"#)];
    assert_eq!(extras, expected.map(|(uri, extra)| (uri.to_owned(), extra.to_owned())).into());
    let aliases = get("assets/aliases").await;
    assert_eq!((&aliases["asset_aliases"][0]["name"], &aliases["total_entries"]), (&json!("days"), &json!(1)));
    let id = &aliases["asset_aliases"][0]["id"];
    assert_eq!(get(&format!("assets/aliases/{id}")).await["group"], "asset");
    let assets = get("assets").await;
    let by_alias: Vec<_> = assets["assets"].as_array().unwrap().iter().map(|asset| &asset["aliases"]).collect();
    assert_eq!(by_alias.iter().filter(|aliases| ***aliases == json!([])).count(), 1, "{assets}");
    for server in servers.into_iter().rev() {
        assert!(server.stop().await);
    }
}

#[tokio::test]
async fn a_task_that_says_something_of_what_is_no_outlet_fails() {
    let installation = Installation::new(Backend::Sqlite).await;
    let text = r#"tasks: [{task_id: make, operator: bash, outlets: [a], bash_command: "echo '{\"asset\": \"b\"}' > $UPDRAFT_OUTLET_EVENTS"}]"#;
    installation.write_dag("wrong.yaml", text);
    let server = installation.start().await;
    let db = installation.database().await;

    installation.json(&["dags", "trigger", "wrong", "--run-id", "one"]).await;

    assert_eq!(finished(&db, "wrong", "one").await.state, "failed");
    let log = installation.json(&["tasks", "logs", "wrong", "one", "make"]).await.to_string();
    assert!(log.contains("UPDRAFT_OUTLET_EVENTS, line 1: `b` is no outlet of the task"), "{log}");
    assert!(events(&db).await.is_empty());
    assert!(server.stop().await);
}

/// A folder that is watched, by a server that is killed in between.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_arrives_in_a_watched_folder_is_told_once_to_those_who_wait(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let folder = installation.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    installation.write_dag(
        "watch.yaml",
        &format!(
            "schedule: '@continuous'\ntasks: [{{task_id: watch, operator: file_watcher, path: '{}', existing: true, \
             poke_interval: 0.1, outlets: ['file://in']}}]\n",
            folder.display()
        ),
    );
    installation.write_dag(
        "reads.yaml",
        &format!(
            "schedule: ['file://in']\ntasks:\n  - task_id: read\n    operator: bash\n    bash_command: |\n      \
             {{% for event in triggering_asset_events['file://in'] %}}{{% for file in event.extra.files %}}\n      \
             echo {{{{ file | shell_quote }}}} >> {}/told\n      {{% endfor %}}{{% endfor %}}\n",
            installation.path().display()
        ),
    );
    let told = async |count: usize| {
        eventually(&format!("{count} files"), || async {
            let text = std::fs::read_to_string(installation.path().join("told")).unwrap_or_default();
            let names: Vec<String> =
                text.lines().filter_map(|line| line.rsplit_once('/')).map(|(_, name)| name.to_owned()).collect();
            (names.len() >= count).then_some(names)
        })
        .await
    };
    let server = installation.start().await;
    let db = installation.database().await;

    std::fs::write(folder.join("a"), "").unwrap();
    assert_eq!(told(1).await, ["a"]);
    // A task whose process is lost says again what it has said.
    runs_of(&db, "reads", 1).await;
    server.kill().await;
    std::fs::write(folder.join("b"), "").unwrap();
    let server = installation.start().await;
    assert_eq!(told(2).await, ["a", "b"]);
    std::fs::write(folder.join("a"), "more").unwrap();

    assert_eq!(told(3).await, ["a", "b", "a"]);
    assert!(server.stop().await);
}

/// Either makes a run; a paused DAG none.
#[tokio::test]
async fn who_waits_for_one_runs_for_each_unless_it_is_paused() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("a.yaml", &maker("a"));
    installation.write_dag("b.yaml", &maker("b"));
    let wait = "tasks: [{task_id: t, operator: empty}]\n";
    installation.write_dag("either.yaml", &format!("schedule: {{any: [{{uri: a}}, {{uri: b}}]}}\n{wait}"));
    installation
        .write_dag("timed.yaml", &format!("schedule: {{assets: [a], time: '0 0 1 1 *'}}\ncatchup: none\n{wait}"));
    let server = installation.start().await;
    let db = installation.database().await;
    installation.json(&["dags", "pause", "timed"]).await;

    for (dag_id, count) in [("a", 1), ("b", 2)] {
        installation.json(&["dags", "trigger", dag_id, "--run-id", "one"]).await;
        runs_of(&db, "either", count).await;
    }
    assert!(runs::newest(db.read(), Some("timed"), 1).await.unwrap().is_empty(), "it was paused");
    installation.json(&["dags", "unpause", "timed"]).await;
    installation.json(&["dags", "trigger", "a", "--run-id", "two"]).await;

    let [timed] = runs_of(&db, "timed", 1).await.try_into().unwrap();
    let given: Vec<String> = events(&db)
        .await
        .into_iter()
        .filter(|row| row.runs.iter().any(|(run, _)| run.id == timed.id))
        .map(|row| row.update.event.source_run_id.unwrap())
        .collect();
    assert_eq!(given, ["one", "two"], "what happened during the pause is given to it, too");
    assert!(next(&installation, "timed").await.contains("timed runs when a"), "beside the time");
    assert!(server.stop().await);
}

/// A try that ended well, whose task failed nevertheless because it decided for a task that there is not.
#[tokio::test]
async fn a_branch_to_nowhere_updates_nothing() {
    let installation = Installation::new(Backend::Sqlite).await;
    let branch = "tasks:
  pick: {operator: branch, follow: \"{{ 'le' + 'ft' }}\", outlets: [a]}
  right: {operator: empty, dependencies: [pick]}
";
    installation.write_dag("pick.yaml", branch);
    let server = installation.start().await;
    let db = installation.database().await;

    installation.json(&["dags", "trigger", "pick", "--run-id", "one"]).await;
    let [run] = runs_of(&db, "pick", 1).await.try_into().unwrap();

    assert_eq!(run.state, "failed");
    assert!(events(&db).await.is_empty());
    assert!(server.stop().await);
}

/// What was updated while no scheduler was there, or just before it was killed, leads to a run of the next one.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn an_update_before_the_kill_makes_its_run_after_the_restart(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    installation.write_dag("waiter.yaml", "schedule: [a]\ntasks: [{task_id: t, operator: empty}]\n");
    let server = installation.start().await;
    let db = installation.database().await;
    server.kill().await;
    installation.json(&["assets", "emit", "a"]).await;
    installation.json(&["assets", "emit", "a"]).await;
    assert!(runs::newest(db.read(), Some("waiter"), 1).await.unwrap().is_empty());

    let server = installation.start().await;

    let [run] = runs_of(&db, "waiter", 1).await.try_into().unwrap();
    assert_eq!(run.state, "success");
    assert!(events(&db).await.iter().all(|row| row.runs.len() == 1), "one run for both");
    assert!(server.stop().await);
}

/// How often the server is killed in one test.
const KILLS: usize = 6;

/// Runs that make assets meanwhile.
const MADE: usize = 6;

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn kill_9_at_many_points_neither_loses_nor_doubles_an_event(#[case] backend: Backend) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::new(backend).await;
    // A task whose process is killed four times has failed once; that is not what this is about.
    let again = "default_args: {retries: 9, retry_delay: 0}\n";
    let made = "max_active_runs: 3\ntasks:\n  - {task_id: one, operator: bash, bash_command: sleep 0.05, outlets: [a]}\n  \
                - {task_id: two, operator: bash, bash_command: sleep 0.05, outlets: [a, b], dependencies: [one]}\n";
    installation.write_dag("maker.yaml", &format!("{again}{made}"));
    let wait = format!("{again}tasks: [{{task_id: t, operator: bash, bash_command: sleep 0.02}}]\n");
    installation.write_dag("either.yaml", &format!("schedule: {{any: [{{uri: a}}, {{uri: b}}]}}\n{wait}"));
    installation.write_dag("both.yaml", &format!("schedule: [a, b]\nmax_active_runs: 1\n{wait}"));

    let mut server = installation.start().await;
    for n in 0..MADE {
        installation.json(&["dags", "trigger", "maker", "--run-id", &format!("run_{n}")]).await;
    }
    for _ in 0..KILLS {
        // The moment of the kill is the point of this test; nothing waits for this time to pass.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        server.kill().await;
        server = installation.start().await;
    }
    let db = installation.database().await;
    for n in 0..MADE {
        assert_eq!(finished(&db, "maker", &format!("run_{n}")).await.state, "success", "run {n}, seed {seed}");
    }
    // Once neither of the expressions holds any more, no further run is made.
    eventually("the last runs", || async {
        let left = asset_queue::queued(db.read(), &QueueFilter::default()).await.unwrap();
        let of = |dag_id: &str| left.iter().filter(|queued| queued.dag_id == dag_id).count();
        (of("either") == 0 && of("both") < 2).then_some(())
    })
    .await;
    let (either, both) = (runs_of(&db, "either", 1).await, runs_of(&db, "both", 1).await);
    let rows = events(&db).await;
    assert_eq!(rows.len(), 3 * MADE, "each run updates `a` twice and `b` once, seed {seed}");

    for row in &rows {
        for dag_id in ["either", "both"] {
            let times = row.runs.iter().filter(|(run, _)| run.dag_id == dag_id).count();
            let is_right = times == 1 || dag_id == "both" && times == 0;
            assert!(is_right, "event {} was given to {dag_id} {times} times, seed {seed}", row.update.event.id);
        }
    }
    for run in either.iter().chain(&both) {
        assert_eq!(run.state, "success", "{} {}, seed {seed}", run.dag_id, run.run_id);
        let given = rows.iter().filter(|row| row.runs.iter().any(|(other, _)| other.id == run.id)).count();
        assert!(given > 0, "{} {} was made for nothing, seed {seed}", run.dag_id, run.run_id);
    }
    assert!(server.stop().await);
}

#[tokio::test]
async fn words_that_mean_no_asset_or_several_are_refused() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("a.yaml", &maker("{name: lake, uri: 's3://a'}"));
    installation.write_dag("b.yaml", &maker("{name: lake, uri: 's3://b'}"));
    let server = installation.start().await;
    let refused = async |args: &[&str]| {
        let output = installation.run(args).await;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };

    assert!(refused(&["assets", "show", "none"]).await.contains("there is no asset `none`"));
    let several = refused(&["assets", "emit", "lake"]).await;
    assert!(several.contains("`lake` means several assets: ") && several.contains("by its number"), "{several}");
    assert!(refused(&["assets", "emit", "s3://a", "--extra", "[1]"]).await.contains("--extra is not a JSON object"));
    installation.json(&["assets", "emit", "s3://a"]).await;
    let listed = installation.json(&["assets", "list", "--dag-id", "a"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(server.stop().await);
}

/// Waits for an alias, and tells what it was made for.
fn told_of_days(folder: &Path) -> String {
    format!(
        "schedule: {{alias: days}}
tasks:
  - task_id: tell
    operator: bash
    bash_command: echo '{{{{ triggering_asset_events | list | join(' ') }}}}' >> {}/days
",
        folder.display()
    )
}

/// §13: a DAG that waits for an alias runs for what a task finds under it, and for updates of that by anybody.
#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn who_waits_for_an_alias_runs_for_what_is_found_under_it(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let finder = "
tasks:
  - task_id: find
    operator: bash
    outlets: [{alias: days}]
    bash_command: |
      echo '{\"alias\": \"days\", \"asset\": \"s3://lake/{{ run_id }}\"}' >> $UPDRAFT_OUTLET_EVENTS
";
    installation.write_dag("finder.yaml", finder);
    installation.write_dag("days.yaml", &told_of_days(installation.path()));
    let server = installation.start().await;
    let db = installation.database().await;
    let unresolved = next(&installation, "days").await;
    assert!(unresolved.contains("days runs when alias days: does not hold"), "{unresolved}");
    assert!(unresolved.contains("waits for a task to find an asset"), "{unresolved}");

    installation.json(&["dags", "trigger", "finder", "--run-id", "monday", "--wait"]).await;
    runs_of(&db, "days", 1).await;
    installation.json(&["assets", "emit", "s3://lake/monday"]).await;
    let runs = runs_of(&db, "days", 2).await;

    assert!(runs.iter().all(|run| run.run_type == "asset_triggered" && run.state == "success"), "{runs:?}");
    let told = std::fs::read_to_string(installation.path().join("days")).unwrap();
    assert_eq!(told, "s3://lake/monday\ns3://lake/monday\n");
    let resolved = next(&installation, "days").await;
    assert!(resolved.contains("s3://lake/monday") && !resolved.contains("find an asset"), "{resolved}");
    assert!(server.stop().await);
}
