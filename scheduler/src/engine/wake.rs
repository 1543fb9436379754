//! How others tell the engine that there is something to look at.
//!
//! A wake-up carries no data that matters: what is to be done is in the database, and a lost wake-up costs only time.

use tokio::sync::mpsc;

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// There may be runs that nobody owns.
    Runs,
    /// There may be requests for our runs.
    Requests,
    /// These DAGs changed: their definition, or whether they are paused.
    Dags(Vec<String>),
    /// A DAG may be due.
    Due,
}

/// Wakes the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker {
    sender: mpsc::UnboundedSender<Wake>,
}

impl Waker {
    /// A waker, and where its wake-ups arrive.
    pub fn new() -> (Waker, mpsc::UnboundedReceiver<Wake>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Waker { sender }, receiver)
    }

    /// Wakes the engine; it may be gone, which is none of the caller's business.
    pub fn wake(&self, wake: Wake) {
        let _ = self.sender.send(wake);
    }
}
