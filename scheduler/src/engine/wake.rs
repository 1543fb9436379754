//! How others tell the engine that there is something to look at.
//!
//! A wake-up carries no data that matters: what is to be done is in the database, and a lost wake-up costs only time.

use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use crate::bus::{Bus, Message};

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wake {
    /// There may be runs that nobody owns.
    Runs,
    /// There may be requests for our runs.
    Requests,
    /// These DAGs changed: their definition, or whether they are paused.
    Dags(Vec<String>),
    /// The pools changed.
    Pools,
    /// Backfills were made, paused or ended.
    Backfills,
    /// Assets were updated, or what is queued of them has changed.
    Assets,
    /// Somebody answered what tasks ask.
    Answers,
    /// Somebody wants a callback to be told again.
    Callbacks,
    /// A DAG may be due.
    Due,
    /// Workers took tries, or reported their end.
    Tries,
    /// These leases are those of dead processes.
    Dead(Vec<Uuid>),
    /// Another process changed something.
    LookAround,
}

/// Wakes the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker {
    sender: mpsc::UnboundedSender<Wake>,
    file: Option<WakeFile>,
    bus: Option<Bus>,
}

impl Waker {
    /// A waker, and where its wake-ups arrive.
    pub fn new() -> (Waker, mpsc::UnboundedReceiver<Wake>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Waker { sender, file: None, bus: None }, receiver)
    }

    /// A waker for a process without an engine, which reaches the one that works in the same home folder.
    pub fn through_file(file: WakeFile) -> Waker {
        Waker { file: Some(file), ..Waker::new().0 }
    }

    /// The same, which reaches the engine that leads in whatever process, too.
    pub fn through(self, bus: Bus) -> Waker {
        Waker { bus: Some(bus), ..self }
    }

    /// Wakes the engine; it may be gone, which is none of the caller's business.
    pub fn wake(&self, wake: Wake) {
        if let Some(bus) = &self.bus {
            bus.send(Message::Wake(wake.clone()));
        }
        self.wake_here(wake);
    }

    /// Wakes the engine of this home folder.
    pub(crate) fn wake_here(&self, wake: Wake) {
        match &self.file {
            Some(file) => file.touch(),
            None => {
                let _ = self.sender.send(wake);
            }
        }
    }
}

/// A file in the home folder that a command touches after it changed something.
#[derive(Clone, Debug)]
pub struct WakeFile {
    path: PathBuf,
}

impl WakeFile {
    /// The file of that home.
    pub fn in_home(home: &Path) -> WakeFile {
        WakeFile { path: home.join("wake") }
    }

    /// The engine finds the change at its regular look when this fails.
    fn touch(&self) {
        if let Err(error) = std::fs::write(&self.path, b"") {
            warn!(%error, "cannot wake the scheduler; it will look by itself in a few seconds");
        }
    }

    /// Wakes the engine of this process whenever another process touches the file, until told to stop.
    pub async fn watch(self, waker: Waker, stop: CancellationToken) {
        self.touch();
        let touched = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                waker.wake(Wake::LookAround);
            }
        };
        let watching = notify::recommended_watcher(touched).and_then(|mut watcher| {
            watcher.watch(&self.path, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watching {
            Ok(_watcher) => stop.cancelled().await,
            Err(error) => warn!(%error, "commands of other processes are found by a regular look only"),
        }
    }
}
