//! Databases for tests, on both systems: a fresh one for each test, gone with it.
//!
//! SQLite is a file in a temporary folder. Postgres is a server that the first test of a process starts for itself, on
//! a Unix socket in a temporary folder: no port is taken, no server of this machine is touched, and it ends with the
//! process, also when that is killed. Making a cluster takes a second, so one is kept as a template and copied.
//!
//! Everything here panics when it cannot be done, and says what to install: a test that cannot run has failed.

mod cluster;

use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

use crate::store::Db;
use cluster::Cluster;

/// A migrated database of one test. Use it as a [`Db`].
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    url: String,
    // Removed when the test ends; Postgres needs none, because its server's folder goes with the process.
    _folder: Option<TempDir>,
}

impl TestDb {
    /// A migrated SQLite file.
    pub async fn sqlite() -> TestDb {
        let (url, folder) = sqlite_url();
        let db = Db::open(&url).await.expect("a new SQLite file opens and migrates");
        TestDb { db, url, _folder: Some(folder) }
    }

    /// A migrated Postgres database.
    pub async fn postgres() -> TestDb {
        let url = postgres_url().await;
        let db = Db::open(&url).await.expect("a new Postgres database opens and migrates");
        TestDb { db, url, _folder: None }
    }

    /// What `UPDRAFT_DATABASE_URL` would say, for tests that start processes.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// A Postgres server of one test, which it may stop and start.
#[derive(Debug)]
pub struct OwnPostgres(Cluster);

impl OwnPostgres {
    /// Starts it; it ends when this value is dropped.
    pub fn start() -> OwnPostgres {
        OwnPostgres(Cluster::start())
    }

    /// The URL of an empty database.
    pub fn url(&self) -> String {
        self.0.url("postgres")
    }

    /// Lets it crash and come back. Blocks until it has.
    pub fn restart(&self) {
        self.0.stop(true);
    }

    /// Lets it crash.
    pub fn stop(&self) {
        self.0.stop(false);
    }

    /// Lets it come back. Blocks until it has.
    pub fn go_on(&self) {
        self.0.go_on();
    }
}

/// The URL of an SQLite file that does not exist yet, and the folder that must outlive its use.
pub fn sqlite_url() -> (String, TempDir) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    (format!("sqlite://{}", folder.path().join("updraft.db").display()), folder)
}

/// The URL of a new, empty Postgres database on this process's own server.
pub async fn postgres_url() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);

    // Blocks this thread for the moment that the start takes; a test has nothing else to do meanwhile.
    let cluster = CLUSTER.get_or_init(Cluster::start);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = Database::connect(cluster.url("postgres")).await.expect("the test's own Postgres answers");
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.expect("a database can be made");
    admin.close().await.expect("a connection can be closed");
    cluster.url(&name)
}
