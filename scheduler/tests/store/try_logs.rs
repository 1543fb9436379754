//! Logs of tries in the database: appended by whoever makes the try, and by whoever comes after a kill.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use scheduler::clock::Clock;
use scheduler::log::{Logs, Shipper};
use scheduler::store::try_logs::{self, LogOf, Piece};
use scheduler::store::{Db, commit, history, runs};
use uuid::Uuid;

use crate::{Backend, a_run, open};

async fn with_run(db: &Db) -> LogOf {
    let run = a_run("one", Uuid::nil(), None);
    let of = LogOf { run: run.id, task_id: "t".to_owned(), map_index: -1, try_number: 1 };
    let txn = db.begin_write().await.unwrap();
    runs::insert(&txn, run).await.unwrap();
    commit(txn).await.unwrap();
    of
}

fn piece(of: &LogOf, source: u128, content: &str) -> Piece {
    Piece { of: of.clone(), source: Uuid::from_u128(source), content: content.into() }
}

async fn append(db: &Db, pieces: Vec<Piece>) {
    let txn = db.begin_write().await.unwrap();
    try_logs::append(&txn, pieces).await.unwrap();
    commit(txn).await.unwrap();
}

async fn text(db: &Db, of: &LogOf, offset: u64, bytes_max: u64) -> Option<String> {
    let bytes = try_logs::read(db.read(), of, offset, bytes_max).await.unwrap();
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_log_is_its_pieces_one_after_the_other(#[case] backend: Backend) {
    let db = open(backend).await;
    let of = with_run(&db).await;
    let other = LogOf { try_number: 2, ..of.clone() };
    let gone = LogOf { run: Uuid::now_v7(), ..of.clone() };
    assert_eq!(text(&db, &of, 0, 100).await, None, "there is no log yet");

    append(&db, vec![piece(&of, 1, "one\n"), piece(&gone, 3, "lost\n"), piece(&other, 2, "other\n")]).await;
    append(&db, vec![piece(&of, 1, "two\n"), piece(&of, 4, "three\n")]).await;

    assert_eq!(text(&db, &of, 0, 100).await.as_deref(), Some("one\ntwo\nthree\n"));
    assert_eq!(text(&db, &of, 4, 100).await.as_deref(), Some("two\nthree\n"));
    assert_eq!(text(&db, &of, 2, 4).await.as_deref(), Some("e\ntw"));
    assert_eq!(text(&db, &of, 14, 100).await.as_deref(), Some(""), "it may still grow");
    assert_eq!(text(&db, &other, 0, 100).await.as_deref(), Some("other\n"));
    assert_eq!(text(&db, &gone, 0, 100).await, None, "its run is gone");
    let sources = [1, 2, 3, 4].map(Uuid::from_u128);
    let sent = try_logs::sent(db.read(), &sources).await.unwrap();
    assert_eq!(sources.map(|source| sent.get(&source).copied()), [Some(8), Some(6), None, Some(6)]);

    let txn = db.begin_write().await.unwrap();
    let deleted = history::delete_runs(&txn, &[of.run]).await.unwrap();
    commit(txn).await.unwrap();
    assert_eq!(deleted["try_log"], 4);
    assert_eq!(text(&db, &of, 0, 100).await, None);
}

/// A file as a process leaves it that is killed.
fn leave(home: &Path, of: &LogOf, source: u128, content: &str) {
    let folder = home.join("unsent_logs/of a killed process").join(format!("task_id={}", of.task_id));
    std::fs::create_dir_all(&folder).unwrap();
    let LogOf { run, map_index, try_number, .. } = of;
    let name = format!("{run}.{map_index}.{try_number}.{}.log", Uuid::from_u128(source));
    std::fs::write(folder.join(name), content).unwrap();
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn what_a_killed_process_had_not_sent_is_sent_by_the_next_one(#[case] backend: Backend) {
    let db = open(backend).await;
    let home = tempfile::tempdir().unwrap();
    let of = with_run(&db).await;
    append(&db, vec![piece(&of, 1, "sent\n")]).await;
    leave(home.path(), &of, 1, "sent\nnot sent\nhalf a li");
    leave(home.path(), &LogOf { run: Uuid::now_v7(), ..of.clone() }, 2, "nobody's\n");

    let shipper = Shipper::start(home.path(), (*db).clone(), Clock::System).unwrap();
    let logs = Logs::Database(shipper);
    let arrived = async {
        while text(&db, &of, 0, 100).await.as_deref() != Some("sent\nnot sent\nhalf a li\n") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), arrived).await.expect("the rest arrives");
    logs.stop().await;

    let left = std::fs::read_dir(home.path().join("unsent_logs")).unwrap().count();
    assert_eq!(left, 0, "what was sent is removed, and so is what belongs to nobody");
}

#[tokio::test]
async fn the_files_of_a_living_process_are_left_alone() {
    let db = open(Backend::Sqlite).await;
    let home = tempfile::tempdir().unwrap();
    let folders = || std::fs::read_dir(home.path().join("unsent_logs")).unwrap().count();

    let first = Logs::Database(Shipper::start(home.path(), (*db).clone(), Clock::System).unwrap());
    let second = Logs::Database(Shipper::start(home.path(), (*db).clone(), Clock::System).unwrap());
    assert_eq!(folders(), 2);

    first.stop().await;
    assert_eq!(folders(), 1);
    second.stop().await;
    assert_eq!(folders(), 0);
}
