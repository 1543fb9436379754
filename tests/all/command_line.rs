//! The command line: what it prints, and its exit codes.

use scheduler::store::dags;

use crate::server::{Backend, Installation, eventually};

const DIAMOND: &str = "tasks:\n  - {task_id: a, operator: empty}\n  - {task_id: b, operator: empty, dependencies: [a]}\n  \
                       - {task_id: c, operator: bash, bash_command: 'exit {{ params.code }}', dependencies: [a]}\n  \
                       - {task_id: d, operator: empty, dependencies: [b, c]}\nparams: {code: 0}\n";

#[tokio::test]
async fn dags_test_runs_a_file_once_without_a_server() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("diamond.yaml", DIAMOND);

    let good = installation.run(&["dags", "test", "dags/diamond.yaml"]).await;
    let bad = installation.run(&["dags", "test", "dags/diamond.yaml", "--conf", r#"{"code": 7}"#]).await;

    let progress = String::from_utf8_lossy(&good.stderr).into_owned();
    assert_eq!(good.status.code(), Some(0), "{progress}");
    assert!(progress.contains("success"), "{progress}");
    let progress = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(1), "{progress}");
    assert!(progress.contains("ended with exit code 7"), "{progress}");
    assert!(progress.contains("upstream_failed"), "{progress}");
}

/// A run that is due by the schedule would be made beside the one that was asked for.
#[tokio::test]
async fn dags_test_makes_no_run_that_the_schedule_asks_for() {
    let installation = Installation::new(Backend::Sqlite).await;
    let ledger = installation.path().join("ledger");
    let text = format!(
        "schedule: '@daily'\nstart_date: 2024-01-01\ncatchup: true\ntasks:\n  - {{task_id: a, operator: bash, bash_command: \
         'echo {{{{ run_id }}}} >> {}; sleep 1'}}\n",
        ledger.display()
    );
    installation.write_dag("daily.yaml", &text);

    let output = installation.run(&["dags", "test", "dags/daily.yaml"]).await;

    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let ran = std::fs::read_to_string(ledger).unwrap();
    assert!(ran.starts_with("manual__") && ran.lines().count() == 1, "{ran}");
}

#[tokio::test]
async fn dags_validate_says_everything_that_is_wrong_at_once() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "wrong.yaml",
        "schedul: '@daily'\ntasks:\n  - {task_id: a, operator: bash, bash_comand: ls, dependencies: [b]}\n  \
         - {task_id: a, operator: empty, retries: many}\n",
    );

    let output = installation.run(&["dags", "validate"]).await;

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for expected in ["schedul", "did you mean", "bash_comand", "bash_command", "`b`", "retries", "wrong.yaml:1:1"] {
        assert!(said.contains(expected), "{expected} is missing in\n{said}");
    }
}

/// §11: template files are looked at where they are.
#[tokio::test]
async fn dags_validate_and_render_look_at_template_files() {
    let installation = Installation::new(Backend::Sqlite).await;
    let dags = installation.path().join("dags");
    for folder in ["team", "shared"] {
        std::fs::create_dir_all(dags.join(folder)).unwrap();
    }
    std::fs::write(dags.join("team/good.sh"), "echo {{ ds }}\n").unwrap();
    std::fs::write(dags.join("shared/wrong.sh"), "set -e\necho {{ nope }}\n").unwrap();
    installation.write_dag(
        "team/files.yaml",
        "template_searchpath: ../shared\ntasks:\n  - {task_id: good, operator: bash, bash_command: good.sh}\n  \
         - {task_id: wrong, operator: bash, bash_command: wrong.sh}\n  \
         - {task_id: gone, operator: bash, bash_command: ./gone.sh}\n",
    );
    installation.write_dag(
        "team/out.yaml",
        "template_searchpath: /opt\ntasks:\n  - {task_id: a, operator: bash, bash_command: 'true'}\n",
    );

    let output = installation.run(&["dags", "validate", "--output", "json"]).await;
    let file = "dags/team/files.yaml";
    let date = "2026-01-02T00:00:00Z";
    let rendered = installation.json(&["dags", "render", file, "--logical-date", date, "--task", "good"]).await;
    let refused = installation.run(&["dags", "render", "dags/team/out.yaml"]).await;

    assert_eq!((output.status.code(), refused.status.code()), (Some(2), Some(2)));
    let problems: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = problems.as_array().unwrap().iter().map(|problem| {
        let text = |key: &str| problem[key].as_str().unwrap().to_owned();
        format!("{}:{}:{} {}", text("file"), problem["line"], problem["column"], text("message"))
    });
    let said = told.collect::<Vec<_>>().join("\n");
    for expected in [
        "files.yaml:4:52",
        "the template in `wrong.sh`, line 2, column 9: nothing is called `nope`",
        "files.yaml:5:51",
        "there is no file `./gone.sh` in",
        "unless a space is behind it",
        "out.yaml:1:22 `template_searchpath` names `/opt`, which is outside of the folder of DAG files",
    ] {
        assert!(said.contains(expected), "{expected} is missing in\n{said}");
    }
    let refusal = String::from_utf8(refused.stderr).unwrap();
    let outside = "`template_searchpath` names `/opt`, which is outside of the folder of DAG files";
    assert_eq!(refusal.matches(outside).count(), 1, "{refusal}");
    assert_eq!(rendered[0]["arguments"]["bash_command"], "echo 2026-01-02");
}

#[tokio::test]
async fn dags_next_shows_the_runs_to_come() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag(
        "nightly.yaml",
        "schedule: {cron: '0 3 * * *', data_interval: true}\ntimezone: Europe/Amsterdam\nstart_date: 2026-01-01\ncatchup: none\n\
         is_paused_upon_creation: true\ntasks: []\n",
    );
    installation.write_dag("by_hand.yaml", "tasks: []\n");
    let server = installation.start().await;
    let db = installation.database().await;
    eventually("the DAGs", || async { dags::find(db.read(), "nightly").await.unwrap() }).await;

    let told = installation.run(&["dags", "next", "nightly", "--count", "3"]).await;
    let (table, hint) = (String::from_utf8(told.stdout).unwrap(), String::from_utf8(told.stderr).unwrap());
    let data = installation.json(&["dags", "next", "nightly", "--count", "3"]).await;
    let never = installation.run(&["dags", "next", "by_hand"]).await;

    assert!(table.starts_with("RUNS AT") && table.matches(" 03:00:00 CE").count() >= 3, "{table}");
    assert!(hint.contains("`updraft dags unpause nightly` starts"), "{hint}");
    let runs = data.as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for (run, next) in runs.iter().zip(&runs[1..]) {
        assert_eq!(run["data_interval_end"], run["run_after"], "it runs when its day is over");
        assert_eq!(run["run_after"], next["data_interval_start"], "and the next one follows");
    }
    assert!(String::from_utf8(never.stdout).unwrap().contains("never runs by the clock"));
    assert!(server.stop().await);
}

#[tokio::test]
async fn commands_work_beside_a_server_and_answer_in_json() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("diamond.yaml", DIAMOND);
    let server = installation.start().await;

    let listed = installation.json(&["dags", "list"]).await;
    let shown = installation.json(&["dags", "show", "diamond"]).await;
    let won = installation.json(&["dags", "trigger", "diamond", "--run-id", "won", "--wait"]).await;
    let lost = ["dags", "trigger", "diamond", "--run-id", "lost", "--conf", r#"{"code": 1}"#, "--wait"];
    let lost = installation.run(&lost).await;
    let runs = installation.json(&["runs", "list", "diamond"]).await;
    let run = installation.json(&["runs", "show", "diamond", "lost"]).await;
    let logs = installation.json(&["tasks", "logs", "diamond", "lost", "c"]).await;

    assert_eq!(listed[0]["dag_id"], "diamond");
    assert_eq!(shown["tasks"][3]["dependencies"], serde_json::json!(["b", "c"]));
    assert_eq!(won["state"], "success");
    assert_eq!(lost.status.code(), Some(1), "exit code 1 says that the run failed");
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let states: Vec<&str> =
        run["task_instances"].as_array().unwrap().iter().map(|task| task["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["success", "success", "failed", "upstream_failed"]);
    let events: Vec<&str> = logs.as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert!(events.contains(&"Failed: the command ended with exit code 1"), "{events:?}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn mistakes_of_the_person_exit_with_2() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("diamond.yaml", DIAMOND);
    let table: &[(&[&str], &str)] = &[
        (&["dags", "trigger", "nobody"], "DAG `nobody` does not exist"),
        (&["dags", "show", "nobody"], "DAG `nobody` does not exist"),
        (&["dags", "test", "nowhere.yaml"], "cannot read `nowhere.yaml`"),
        (&["dags", "test", "dags/diamond.yaml", "--conf", "[1]"], "--conf is not a JSON object"),
        (&["dags", "test", "dags/diamond.yaml", "--logical-date", "today"], "`today` is not a date"),
        (&["runs", "show", "nobody", "x"], "run `x` does not exist"),
    ];
    for (args, message) in table {
        let output = installation.run(args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn runs_and_tasks_are_cleared_marked_and_deleted() {
    let installation = Installation::new(Backend::Sqlite).await;
    installation.write_dag("diamond.yaml", DIAMOND);
    let server = installation.start().await;
    let trigger = ["dags", "trigger", "diamond", "--run-id", "one", "--conf", r#"{"code": 1}"#, "--wait"];
    assert_eq!(installation.run(&trigger).await.status.code(), Some(1));
    let text = async |args: &[&str]| {
        let output = installation.run(args).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        said.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    };

    let listed = installation.json(&["tasks", "list", "diamond", "one"]).await;
    assert_eq!(listed[2]["state"], "failed");
    let preview = text(&["tasks", "clear", "diamond", "one", "--only-failed", "--dry-run"]).await;
    assert_eq!(preview, "RUN  TASK\none  c\none  d\n2 task instances would be cleared");
    let preview = text(&["runs", "clear", "diamond", "one", "--dry-run"]).await;
    assert!(preview.ends_with("4 task instances would be cleared"), "{preview}");
    let unasked = installation.run(&["tasks", "clear", "diamond", "one", "c"]).await;
    let said = String::from_utf8_lossy(&unasked.stderr).into_owned();
    assert_eq!(unasked.status.code(), Some(2), "{said}");
    assert!(said.contains("nobody is there to be asked") && said.contains("--yes"), "{said}");
    let dry = text(&["tasks", "mark", "diamond", "one", "b", "failed", "--downstream", "--dry-run"]).await;
    assert!(dry.contains("one  b\none  d") && dry.ends_with("would be marked failed"), "{dry}");
    assert_eq!(text(&["tasks", "mark", "diamond", "one", "c", "skipped"]).await, "RUN  TASK\none  c\nmarked skipped");
    assert_eq!(text(&["runs", "mark", "diamond", "one", "failed"]).await, "diamond  one  failed");
    let again = installation.run(&["tasks", "mark", "diamond", "one", "c", "skipped"]).await;
    assert_eq!(again.status.code(), Some(2), "it is skipped already");
    let unasked = installation.run(&["runs", "delete", "diamond", "one"]).await;
    assert_eq!(unasked.status.code(), Some(2));
    assert_eq!(installation.json(&["runs", "delete", "diamond", "one", "--yes"]).await["deleted"], "one");
    assert_eq!(installation.json(&["runs", "list", "diamond"]).await, serde_json::json!([]));
    for (args, message) in [
        (["tasks", "clear", "diamond", "one", "--yes"], "run `one` does not exist"),
        (["tasks", "clear", "diamond", "one", "c[x]"], "`c[x]` is no task"),
        (["runs", "delete", "diamond", "one", "--yes"], "run `one` does not exist"),
    ] {
        let output = installation.run(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
    assert!(server.stop().await);
}

#[tokio::test]
async fn sql_is_answered_from_the_shell_without_a_home() {
    let installation = Installation::new(Backend::Sqlite).await;
    let folder = installation.path();
    std::fs::write(folder.join("users.csv"), "id,name,age\n1,Ann,30\n2,\"Bob, Jr\",\n3,Cy,41\n").unwrap();
    std::fs::write(folder.join("posts.jsonl"), "{\"user\":1,\"title\":\"a\"}\n{\"user\":3,\"title\":\"b\"}\n").unwrap();
    let asked = async |words: &[&str]| {
        let output = installation.run(&[&["sql"], words].concat()).await;
        let (said, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code(), said, wrong)
    };
    let join = "CREATE TEMP VIEW old AS SELECT * FROM users WHERE age > :age;\n\
                SELECT name, title FROM old JOIN json.`posts.jsonl` p ON p.user = old.id ORDER BY name";

    let (code, table, wrong) = asked(&[join, "--table", "users=users.csv", "--parameter", "age=20"]).await;
    assert_eq!(code, Some(0), "{wrong}");
    assert_eq!(table, "name  title\nAnn   a\nCy    b\n");

    let all = "SELECT * FROM csv.`users.csv` ORDER BY id";
    let (_, csv, _) = asked(&[all, "--format", "csv"]).await;
    assert_eq!(csv, "id,name,age\n1,Ann,30\n2,\"Bob, Jr\",\n3,Cy,41\n");
    let (_, lines, _) = asked(&[all, "--format", "jsonl"]).await;
    assert_eq!(lines.lines().nth(1), Some(r#"{"id":2,"name":"Bob, Jr","age":null}"#));
    let json = installation
        .json(&["sql", "SELECT id FROM csv.`users.csv` WHERE id IN (:ids)", "--parameter", "ids=[1,3]"])
        .await;
    assert_eq!(json, serde_json::json!([{ "id": 1 }, { "id": 3 }]));

    std::fs::write(folder.join("question.sql"), all).unwrap();
    let (code, said, wrong) = asked(&["--file", "question.sql", "--into", "answer.parquet"]).await;
    assert_eq!(code, Some(0), "{wrong}");
    assert!(said.starts_with("3 rows written to"), "{said}");
    let (_, counted, _) = asked(&["SELECT SUM(id) AS s FROM parquet.`answer.parquet`", "--format", "csv"]).await;
    assert_eq!(counted, "s\n6\n");

    let (code, said, wrong) = asked(&["SELECT nme FROM users", "--table", "users=users.csv"]).await;
    assert_eq!((code, said.as_str()), (Some(2), ""));
    assert!(wrong.contains("there is no column `nme` (did you mean `name`?)"), "{wrong}");
    assert!(wrong.contains("1 | SELECT nme FROM users\n  |        ^^^"), "{wrong}");
    let (code, _, wrong) = asked(&["SELECT 1", "--table", "users"]).await;
    assert_eq!(code, Some(2), "{wrong}");
    assert!(!installation.home().exists());
}
