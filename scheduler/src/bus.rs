//! How the processes of one installation talk to each other: by `LISTEN` and `NOTIFY` of the Postgres that they share.
//!
//! What is said is a hint, never a fact: whoever hears it looks into the database. A hint that is lost costs time, which is
//! why everybody also looks by itself now and then.
//!
//! The connection that listens also holds an advisory lock. When the process is killed, Postgres lets go of it, and the
//! others know at once (see [`crate::store::leases`]).

use std::time::Duration;

use sea_orm::sqlx::{self, postgres::PgListener};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::engine::wake::{Wake, Waker};
use crate::events::{Change, Changes};
use crate::store::{Db, StoreError};

/// The channel of Postgres.
const CHANNEL: &str = "updraft";

/// Postgres takes 8,000 bytes in one notification.
const PAYLOAD_BYTES_MAX: usize = 7_500;

/// Messages that are put together into one round of notifications.
const GATHERED_MAX: usize = 1024;

/// Messages kept for a slow listener before it must look at everything.
const KEPT: usize = 4096;

/// The wait before a lost connection is opened again.
const RECONNECT: Duration = Duration::from_millis(500);

/// What processes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// There is something to look at for the scheduler.
    Wake(Wake),
    /// There is something to look at for workers: tries to make or to stop.
    Work,
    /// Something changed, for whoever watches.
    Change(Change),
    /// Messages may have been lost. Nobody sends this; it is heard when a connection was.
    Missed,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    from: i64,
    messages: Vec<Message>,
}

/// A process's end of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    presence: i64,
    outgoing: mpsc::UnboundedSender<Message>,
    incoming: broadcast::Sender<Message>,
}

impl Bus {
    /// Connects; from then on this process is known to be there until `stop`.
    pub async fn connect(url: &str, db: Db, stop: CancellationToken) -> Result<Bus, BusError> {
        // The random end of a UUID is as good a name as any.
        let presence = i64::from_be_bytes(Uuid::new_v4().as_u128().to_be_bytes()[8..].try_into().unwrap_or_default());
        let (outgoing, queue) = mpsc::unbounded_channel();
        let (incoming, _) = broadcast::channel(KEPT);
        let bus = Bus { presence, outgoing, incoming };
        let listener = listen(url, presence).await?;
        tokio::spawn(send(db, presence, queue));
        tokio::spawn(hear(url.to_owned(), listener, bus.clone(), stop));
        Ok(bus)
    }

    /// The key of the advisory lock that this process holds.
    pub fn presence(&self) -> i64 {
        self.presence
    }

    /// Tells the other processes.
    pub fn send(&self, message: Message) {
        // The sender lives as long as the process.
        let _ = self.outgoing.send(message);
    }

    /// Hears what other processes tell, from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.incoming.subscribe()
    }

    /// Passes on what other processes tell: wake-ups to the engine of this process, changes to whoever watches here.
    pub async fn pass_on(self, waker: Option<Waker>, changes: Changes) {
        let mut heard = self.subscribe();
        loop {
            let message = match heard.recv().await {
                Ok(message) => message,
                Err(broadcast::error::RecvError::Lagged(_)) => Message::Missed,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            match (message, &waker) {
                (Message::Wake(wake), Some(waker)) => waker.wake_here(wake),
                (Message::Missed, Some(waker)) => waker.wake_here(Wake::LookAround),
                (Message::Change(change), _) => changes.send_here(change),
                _ => {}
            }
        }
    }
}

/// Why a process cannot hear the others.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen to the other processes through Postgres: {0}")]
pub struct BusError(#[from] sqlx::Error);

async fn listen(url: &str, presence: i64) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    // A connection that comes back by itself would have lost its lock.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(presence).execute(&mut listener).await?;
    Ok(listener)
}

async fn hear(url: String, listener: PgListener, bus: Bus, stop: CancellationToken) {
    let mut listener = Some(listener);
    loop {
        let Some(connected) = &mut listener else {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RECONNECT) => {}
            }
            match listen(&url, bus.presence).await {
                Ok(connected) => {
                    listener = Some(connected);
                    let _ = bus.incoming.send(Message::Missed);
                }
                Err(error) => debug!(%error, "cannot listen yet"),
            }
            continue;
        };
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = connected.try_recv() => heard,
        };
        match heard {
            Ok(Some(notification)) => bus.take(notification.payload()),
            Ok(None) | Err(_) => {
                warn!("the connection that listens to the other processes was lost; opening another");
                listener = None;
            }
        }
    }
}

impl Bus {
    fn take(&self, payload: &str) {
        let Ok(envelope) = serde_json::from_str::<Envelope>(payload) else {
            // A newer process may say what we do not understand.
            let _ = self.incoming.send(Message::Missed);
            return;
        };
        if envelope.from == self.presence {
            return;
        }
        for message in envelope.messages {
            let _ = self.incoming.send(message);
        }
    }
}

/// Sends what has gathered, as few notifications as it takes.
async fn send(db: Db, presence: i64, mut queue: mpsc::UnboundedReceiver<Message>) {
    let mut gathered = Vec::new();
    while queue.recv_many(&mut gathered, GATHERED_MAX).await > 0 {
        for payload in payloads(presence, gathered.drain(..)) {
            if let Err(problem) = notify(&db, &payload).await {
                debug!(error = %problem, "a hint to the other processes was lost");
            }
        }
    }
}

async fn notify(db: &Db, payload: &str) -> Result<(), StoreError> {
    let values = [CHANNEL.into(), payload.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
    db.read().execute_raw(statement).await.map_err(crate::store::doing("telling the other processes"))?;
    Ok(())
}

fn payloads(presence: i64, messages: impl Iterator<Item = Message>) -> Vec<String> {
    let mut unique: Vec<Message> = Vec::new();
    for message in messages {
        if !unique.contains(&message) {
            unique.push(message);
        }
    }
    let mut payloads = Vec::new();
    let mut envelope = Envelope { from: presence, messages: Vec::new() };
    let mut bytes = 0;
    for message in unique {
        let Ok(length) = serde_json::to_string(&message).map(|text| text.len() + 1) else { continue };
        if bytes + length > PAYLOAD_BYTES_MAX && !envelope.messages.is_empty() {
            payloads.extend(serde_json::to_string(&envelope).ok());
            envelope.messages.clear();
            bytes = 0;
        }
        // A message that fits into no notification is told as one that was missed.
        let message = if length > PAYLOAD_BYTES_MAX { Message::Missed } else { message };
        bytes += length.min(PAYLOAD_BYTES_MAX);
        envelope.messages.push(message);
    }
    if !envelope.messages.is_empty() {
        payloads.extend(serde_json::to_string(&envelope).ok());
    }
    payloads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_is_told_once_and_nothing_is_too_long() {
        let changes = (0..1000).map(|n| Message::Change(Change::dag(&format!("a_rather_long_name_of_a_dag_{n}"))));
        let twice = [Message::Work, Message::Work].into_iter();

        let payloads = payloads(7, twice.chain(changes));

        let heard: Vec<Message> = payloads
            .iter()
            .flat_map(|payload| {
                assert!(payload.len() < 8000);
                serde_json::from_str::<Envelope>(payload).unwrap().messages
            })
            .collect();
        assert_eq!(heard.len(), 1001);
        assert_eq!(heard[0], Message::Work);
    }
}
