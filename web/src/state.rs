//! What every handler may use.

use std::sync::Arc;

use scheduler::catalog::Catalog;
use scheduler::clock::Clock;
use scheduler::control::Control;
use scheduler::events::Changes;
use scheduler::log::LogReader;
use scheduler::store::Db;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Sessions;

/// Live streams at the same time; each is a task and an open connection.
const STREAMS_MAX: usize = 512;

/// Who may sign in, and with what tokens are signed.
#[derive(Clone)]
pub struct AuthSettings {
    /// The one user, who has the role `ADMIN`.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// The secret that signs tokens. Whoever knows it can make tokens; processes that share it accept each other's.
    pub secret: Vec<u8>,
}

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub(crate) db: Db,
    pub(crate) control: Control,
    pub(crate) changes: Changes,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Clock,
    pub(crate) logs: LogReader,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl AppState {
    /// The state of a server. Live streams end when `shutdown` fires; the other requests are [`crate::serve`]'s.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the process, made elsewhere, and none has a default"
    )]
    pub fn new(
        db: Db,
        control: Control,
        changes: Changes,
        catalog: Catalog,
        clock: Clock,
        logs: LogReader,
        auth: &AuthSettings,
        shutdown: CancellationToken,
    ) -> AppState {
        let sessions = Arc::new(Sessions::new(auth, db.clone(), clock.clone()));
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        AppState { db, control, changes, catalog, clock, logs, sessions, streams, shutdown }
    }
}
