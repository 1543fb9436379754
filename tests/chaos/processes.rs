//! The processes, and what happens to them.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use scheduler::testing::OwnPostgres;

use crate::server::{Installation, Server};

/// Short, so that suspended workers are given up within the test.
const WORKER_FLAGS: [&str; 4] = ["--lease-secs", "6", "--grace-secs", "1"];

const SCHEDULERS: usize = 2;
const WORKERS: usize = 3;

/// Five processes of one installation.
pub(super) struct Processes<'a> {
    installation: &'a Installation,
    /// Schedulers first. None while it is down.
    running: Vec<Option<Server>>,
    /// Those that stand still.
    suspended: Vec<usize>,
    told: BTreeMap<&'static str, usize>,
}

impl<'a> Processes<'a> {
    pub(super) async fn start(installation: &'a Installation) -> Processes<'a> {
        let mut processes = Processes {
            installation,
            running: (0..SCHEDULERS + WORKERS).map(|_| None).collect(),
            suspended: Vec::new(),
            told: BTreeMap::new(),
        };
        processes.start_missing().await;
        processes
    }

    async fn start_missing(&mut self) {
        for (n, running) in self.running.iter_mut().enumerate() {
            if running.is_none() {
                let started = if n < SCHEDULERS {
                    self.installation.start_role("scheduler", &[]).await
                } else {
                    self.installation.start_role("worker", &WORKER_FLAGS).await
                };
                *running = Some(started);
            }
        }
    }

    /// Does something bad, or makes good what was done before, and lets a moment pass.
    pub(super) async fn disturb(&mut self, random: &mut StdRng, postgres: &OwnPostgres) {
        let which = random.random_range(0..self.running.len());
        let is_free = self.running[which].is_some() && !self.suspended.contains(&which);
        match random.random_range(0..10) {
            0..=2 if is_free => {
                self.tell("killed");
                if let Some(server) = self.running[which].take() {
                    server.kill().await;
                }
            }
            3 | 4 if is_free => {
                self.tell("suspended");
                if let Some(server) = &self.running[which] {
                    server.signal("-STOP").await;
                }
                self.suspended.push(which);
            }
            5 if is_free => {
                self.tell("stopped");
                if let Some(server) = self.running[which].take() {
                    assert!(server.stop().await, "a process that is told to stop ends well");
                }
            }
            6 => {
                self.tell("restarts of Postgres");
                postgres.restart();
            }
            7 => {
                self.tell("outages of Postgres");
                postgres.stop();
                // Part of the disturbance, not a wait for anything.
                tokio::time::sleep(Duration::from_millis(random.random_range(100..3000))).await;
                postgres.go_on();
            }
            _ => self.make_good().await,
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1200))).await;
    }

    async fn make_good(&mut self) {
        for which in std::mem::take(&mut self.suspended) {
            if let Some(server) = &self.running[which] {
                server.signal("-CONT").await;
            }
        }
        self.start_missing().await;
    }

    /// Everything runs again.
    pub(super) async fn recover(&mut self) {
        self.make_good().await;
    }

    fn tell(&mut self, what: &'static str) {
        *self.told.entry(what).or_default() += 1;
    }

    /// What was done to them.
    pub(super) fn told(&self) -> String {
        let told: Vec<String> = self.told.iter().map(|(what, count)| format!("{count} {what}")).collect();
        told.join(", ")
    }

    /// What they said.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.installation.path().join("roles.log")).unwrap_or_default()
    }

    pub(super) async fn stop(self) {
        for server in self.running.into_iter().flatten() {
            assert!(server.stop().await, "it stops cleanly");
        }
    }
}
