//! A clock that somebody sets forward and back by an hour: nothing is lost, doubled, or stopped.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use rstest::rstest;
use scheduler::clock::Clock;
use scheduler::store::{Db, runs};

use crate::server::{Backend, Installation, Server, eventually, finished, instances};

/// An installation whose server reads its clock through libfaketime, `offset` away from the real one.
struct World {
    installation: Installation,
    db: Db,
    server: Server,
}

impl World {
    async fn start(backend: Backend) -> World {
        let installation = Installation::new(backend).await;
        let folder = installation.path().display();
        installation.write_dag("hello.yaml", "tasks: [{task_id: says, operator: bash, bash_command: echo hello}]\n");
        installation.write_dag("each_second.yaml", "schedule: '* * * * * *'\ntasks: [{task_id: a, operator: empty}]\n");
        installation.write_dag(
            "waits.yaml",
            &format!(
                "tasks:\n  - task_id: waits\n    operator: bash\n    bash_command: |\n      echo $$ >> {folder}/begun\n      \
                 while ! [ -e {folder}/go ]; do sleep 0.05; done\n"
            ),
        );
        set(installation.path(), "+0");
        let mut command = installation.command(&["standalone", "--port", "0"]);
        command
            .env("UPDRAFT_LOG", "warn")
            .env("LD_PRELOAD", libfaketime())
            .env("FAKETIME_TIMESTAMP_FILE", installation.path().join("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        let server = Server::start(command).await;
        let db = installation.database().await;
        World { installation, db, server }
    }

    fn set(&self, offset: &str) {
        set(self.installation.path(), offset);
    }

    /// Triggers by the server's own clock.
    async fn trigger(&self, dag_id: &str, run_id: &str) {
        let token = self.server.token().await;
        let body = format!(r#"{{"dag_run_id": "{run_id}", "logical_date": null}}"#);
        let path = format!("/api/v2/dags/{dag_id}/dagRuns");
        let answer = self.server.request("POST", &path, Some(&token), &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Triggers `hello`, which must run.
    async fn says_hello(&self, run_id: &str) {
        self.trigger("hello", run_id).await;
        assert_eq!(finished(&self.db, "hello", run_id).await.state, "success");
    }

    /// Waits for a run that the schedule makes so long from now by the real clock.
    async fn is_due(&self, from_now: TimeDelta) {
        let since = Clock::System.now() + from_now;
        eventually("a run of the schedule", || async {
            let newest = runs::newest(self.db.read(), Some("each_second"), 1).await.expect("runs can be read");
            newest.first().and_then(|run| run.logical_date).filter(|date| *date >= since)
        })
        .await;
    }
}

/// libfaketime reads the file whenever somebody asks for the time.
fn set(folder: &Path, offset: &str) {
    let new = folder.join("clock.new");
    std::fs::write(&new, offset).expect("a file can be written");
    std::fs::rename(new, folder.join("clock")).expect("a file can be renamed");
}

fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("there is /usr/lib").flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("libfaketime is missing: apt-get install faketime")
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_clock_that_is_set_by_an_hour_loses_and_doubles_nothing(#[case] backend: Backend) {
    let world = World::start(backend).await;
    world.trigger("waits", "one").await;
    let begun = || std::fs::read_to_string(world.installation.path().join("begun")).unwrap_or_default();
    eventually("the beginning of the task", || async { (!begun().is_empty()).then_some(()) }).await;
    world.is_due(TimeDelta::zero()).await;

    world.set("+1h");
    world.is_due(TimeDelta::minutes(59)).await;
    world.says_hello("forward").await;
    world.set("-1h");
    world.says_hello("back").await;
    world.set("+1h");
    world.is_due(TimeDelta::minutes(59)).await;

    std::fs::write(world.installation.path().join("go"), "").unwrap();
    let run = finished(&world.db, "waits", "one").await;
    assert_eq!(run.state, "success");
    assert_eq!(instances(&world.db, &run).await[0].try_number, 1);
    assert_eq!(begun().lines().count(), 1, "one try, from beginning to end");
    let made = runs::newest(world.db.read(), Some("each_second"), 10_000).await.unwrap();
    let now = Clock::System.now();
    let (skipped_from, skipped_to) = (now + TimeDelta::minutes(5), now + TimeDelta::minutes(50));
    let skipped = made.iter().filter_map(|run| run.logical_date);
    assert_eq!(skipped.filter(|date| (skipped_from..skipped_to).contains(date)).count(), 0, "catchup is off");
    assert!(world.server.stop().await, "it stops cleanly");
}
