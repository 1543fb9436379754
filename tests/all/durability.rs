//! Killed at any moment, Updraft loses nothing and runs nothing twice at the same time.
//!
//! Every task holds a file lock while it runs, and writes to a ledger when it begins and ends. A lock is gone with the
//! last process that holds it, so a second try that finds it taken has met an orphan of the first.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;

use crate::server::{Backend, Installation, finished, instances};

/// How often the server is killed in one test.
const KILLS: usize = 8;

/// Runs that are under way meanwhile.
const RUNS: usize = 3;

/// A fan-out, a chain and a join, and a task that fails once; each task leaves a grandchild that outlives bash.
fn dag(ledger: &std::path::Path) -> String {
    let ledger = ledger.display();
    let work = |extra: &str| {
        format!(
            "|\n      id=\"{{{{ run_id }}}}.{{{{ task.task_id }}}}\"\n      exec 9> \"{ledger}/$id.lock\"\n      \
             if ! flock -n 9; then echo \"overlap $id\" >> {ledger}/ledger; exit 3; fi\n      \
             echo \"begin $id\" >> {ledger}/ledger\n      sleep 0.15 & wait\n{extra}      echo \"end $id\" >> {ledger}/ledger\n"
        )
    };
    // A try that is lost a fourth time has failed; how many kills meet the same task is up to the machine.
    let mut text = String::from("max_active_runs: 10\ndefault_args: {retries: 9, retry_delay: 0.1s}\ntasks:\n");
    let mut task = |id: &str, after: &str, extra: &str| {
        text += &format!(
            "  - task_id: {id}\n    operator: bash\n    dependencies: [{after}]\n    bash_command: {}",
            work(extra)
        );
    };
    task("first", "", "");
    for n in 0..4 {
        task(&format!("wide_{n}"), "first", "");
    }
    task("flaky", "first", "      [ $AIRFLOW_CTX_TRY_NUMBER -gt 1 ] || exit 1\n");
    task("join", "wide_0, wide_1, wide_2, wide_3, flaky", "");
    task("last", "join", "");
    text
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn kill_9_at_many_points_loses_nothing_and_doubles_nothing(#[case] backend: Backend) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::new(backend).await;
    let ledger = installation.path().join("ledgers");
    std::fs::create_dir(&ledger).unwrap();
    installation.write_dag("ledger.yaml", &dag(&ledger));

    let mut server = installation.start().await;
    for n in 0..RUNS {
        let run_id = format!("run_{n}");
        let date = format!("2026-01-0{}T00:00:00Z", n + 1);
        installation.json(&["dags", "trigger", "ledger", "--run-id", &run_id, "--logical-date", &date]).await;
    }
    for _ in 0..KILLS {
        // The moment of the kill is the point of this test; nothing waits for this time to pass.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
        server.kill().await;
        server = installation.start().await;
    }

    let db = installation.database().await;
    for n in 0..RUNS {
        let run = finished(&db, "ledger", &format!("run_{n}")).await;
        assert_eq!(run.state, "success", "run {n}, seed {seed}");
        for instance in instances(&db, &run).await {
            assert_eq!(instance.state.as_deref(), Some("success"), "{} of run {n}, seed {seed}", instance.task_id);
        }
    }
    assert!(server.stop().await, "the server stops cleanly");
    check_ledger(&std::fs::read_to_string(ledger.join("ledger")).unwrap(), seed);
}

/// Rows of the file that is cleaned: enough for kills to meet each of its stages.
const ROWS: usize = 60_000;

/// The number of rows in a table, by a process of its own.
async fn count(installation: &Installation, table: &str) -> String {
    let folder = installation.home().join(table);
    let words = ["sql", "SELECT count(*) AS n, count(DISTINCT n) AS d FROM t", "--format", "csv", "--table"];
    let answer = installation.run(&[&words[..], &[&format!("t={}", folder.display())]].concat()).await;
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8_lossy(&answer.stdout).lines().nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn killed_in_the_middle_of_a_cleaning_each_table_has_each_row_once() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::new(Backend::Sqlite).await;
    let rows: String = (0..ROWS).map(|n| format!("{{\"n\": {n}, \"text\": \" a row of some length \"}}\n")).collect();
    std::fs::create_dir_all(installation.home()).unwrap();
    std::fs::write(installation.home().join("rows.jsonl"), rows).unwrap();
    let clean = |mode: &str| {
        format!(
            "  - {{task_id: {mode}, operator: clean, input: rows.jsonl, output: {mode}, mode: {mode}, keys: {}, rules: [{{trim: {{}}}}]}}\n",
            if mode == "merge" { "n" } else { "~" }
        )
    };
    let tasks: String = ["overwrite", "append", "merge"].map(clean).concat();
    installation.write_dag("cleans.yaml", &format!("default_args: {{retries: 9, retry_delay: 0.1s}}\ntasks:\n{tasks}"));

    let mut server = installation.start().await;
    installation.json(&["dags", "trigger", "cleans", "--run-id", "one"]).await;
    for _ in 0..KILLS / 2 {
        // The moment of the kill is the point of this test; nothing waits for this time to pass.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
        server.kill().await;
        server = installation.start().await;
    }

    let run = finished(&installation.database().await, "cleans", "one").await;
    assert_eq!(run.state, "success", "seed {seed}");
    assert!(server.stop().await, "the server stops cleanly");
    for table in ["overwrite", "append", "merge"] {
        assert_eq!(count(&installation, table).await, format!("{ROWS},{ROWS}"), "{table}, seed {seed}");
    }
}

/// Records that are streamed one by one: enough commits for files to be put together several times.
const RECORDS: usize = 120;

#[tokio::test]
async fn killed_while_a_stream_appends_and_puts_files_together_its_table_has_each_row_once() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let installation = Installation::new(Backend::Sqlite).await;
    let topic = installation.home().join("topic/partition=0");
    std::fs::create_dir_all(&topic).unwrap();
    for n in 0..RECORDS {
        std::fs::write(topic.join(format!("t+0+{n:010}.json")), format!("{{\"n\": {n}}}\n")).unwrap();
    }
    installation.write_dag(
        "streams.yaml",
        "default_args: {retries: 9, retry_delay: 0.1s}\ntasks:\n  - {task_id: stream, operator: stream, source: topic, \
         schema: {n: bigint}, output: stream, batch_rows: 1}\n",
    );

    let mut server = installation.start().await;
    installation.json(&["dags", "trigger", "streams", "--run-id", "one"]).await;
    for _ in 0..KILLS {
        // The moment of the kill is the point of this test; nothing waits for this time to pass.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1200))).await;
        server.kill().await;
        server = installation.start().await;
    }

    let run = finished(&installation.database().await, "streams", "one").await;
    assert_eq!(run.state, "success", "seed {seed}");
    assert!(server.stop().await, "the server stops cleanly");
    assert_eq!(count(&installation, "stream").await, format!("{RECORDS},{RECORDS}"), "seed {seed}");
    // What Python makes of the table, and in how many files.
    let code = "
import deltalake, sys
table = deltalake.DeltaTable(sys.argv[1])
rows = deltalake.QueryBuilder().register('t', table).execute('SELECT n FROM t ORDER BY n').read_all()
print([value.as_py() for value in rows.column('n')] == list(range(int(sys.argv[2]))), len(table.file_uris()) < 48)
";
    let table = installation.home().join("stream");
    let read = std::process::Command::new(crate::callbacks::python())
        .args(["-c", code, table.to_str().unwrap(), &RECORDS.to_string()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), "True True", "{read:?}, seed {seed}");
}

fn check_ledger(ledger: &str, seed: u64) {
    assert!(!ledger.contains("overlap"), "two tries of one task ran at once, seed {seed}:\n{ledger}");
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for line in ledger.lines() {
        if let Some(id) = line.strip_prefix("end ") {
            *ends.entry(id).or_default() += 1;
        }
    }
    assert_eq!(ends.len(), RUNS * 8, "every task ran to its end, seed {seed}:\n{ledger}");
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_clean_stop_gives_running_tasks_back_and_a_start_takes_them_up(#[case] backend: Backend) {
    let installation = Installation::new(backend).await;
    let flag = installation.path().join("flag");
    let wait = format!(
        "tasks:\n  - task_id: waits\n    operator: bash\n    bash_command: |\n      touch {0}.begun\n      while ! [ -e {0} ]; do sleep 0.05; done\n",
        flag.display()
    );
    installation.write_dag("waits.yaml", &wait);
    let server = installation.start_with(&["--grace-secs", "0"]).await;
    installation.json(&["dags", "trigger", "waits", "--run-id", "one"]).await;
    let begun = flag.with_extension("begun");
    crate::server::eventually("the task's begin", || async { begun.exists().then_some(()) }).await;

    assert!(server.stop().await);
    let db = installation.database().await;
    let run = scheduler::store::runs::get(db.read(), "waits", "one").await.unwrap();
    let given_back = instances(&db, &run).await;
    assert_eq!(given_back[0].state.as_deref(), Some("scheduled"));
    assert_eq!(given_back[0].reason.as_deref(), Some("given back by a process that shut down"));

    std::fs::write(&flag, "").unwrap();
    let server = installation.start().await;
    let run = finished(&db, "waits", "one").await;
    assert_eq!(run.state, "success");
    assert_eq!(instances(&db, &run).await[0].try_number, 1, "a try that was given back does not count as a failure");
    assert!(server.stop().await);
}
