//! What becomes of connections when the machine of Postgres is gone without a word.

use std::path::Path;
use std::time::Duration;

use scheduler::store::runs::{self, Batch, Express};
use scheduler::store::{Db, commit};
use scheduler::testing::TestDb;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;
use uuid::Uuid;

use crate::pools::an_instance;
use crate::{a_run, lead, noon};

/// A way to a database by TCP. What is open can fall silent, as when the machine at the other end loses its power and another
/// one takes its address.
struct Line {
    url: String,
    silence: watch::Sender<()>,
}

impl Line {
    async fn to(server: &TestDb) -> Line {
        let (address, folder) = server.url().split_once("?host=").unwrap();
        let socket = Path::new(folder).join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (silence, silenced) = watch::channel(());
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = UnixStream::connect(&socket).await.unwrap();
                let mut silenced = silenced.clone();
                silenced.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Nobody closes either end.
                        Ok(()) = silenced.changed() => std::future::pending::<()>().await,
                    }
                });
            }
        });
        let url = format!("{}?sslmode=disable", address.replace("@localhost/", &format!("@{here}/")));
        Line { url, silence }
    }

    fn fall_silent(&self) {
        self.silence.send_replace(());
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work).await.expect("nobody waits as long as TCP does")
}

#[tokio::test]
async fn commits_go_on_when_their_idle_connection_fell_silent() {
    let server = TestDb::postgres().await;
    let lease = lead(&server, "home", &[]).await.unwrap();
    let new = vec![an_instance(&a_run("one", Uuid::now_v7(), None), 0, None, "etl", 1)];
    let txn = server.begin_write().await.unwrap();
    runs::write(&txn, lease, &Batch { new_instances: new.clone(), ..Batch::default() }, noon()).await.unwrap();
    commit(txn).await.unwrap();
    let line = Line::to(&server).await;
    let db = Db::connect(&line.url).await.unwrap();
    let (mut express, batch) = (Express::new(db.clone()), Batch { instances: new, ..Batch::default() });
    assert!(runs::write_at_once(&mut express, lease, &batch).await.unwrap());

    line.fall_silent();

    // The others are given up with an error, so that whoever watches other processes learns of it; meanwhile the one that is
    // kept for commits is idle long enough.
    assert!(in_time(db.begin_write()).await.is_err(), "it fell silent, too");
    assert!(in_time(runs::write_at_once(&mut express, lease, &batch)).await.unwrap());
}
