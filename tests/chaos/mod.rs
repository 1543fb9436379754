//! Chaos: two schedulers and three workers on one Postgres, all of which are killed, suspended, stopped and started at
//! random moments while runs are under way.
//!
//! Every task writes what it did to a ledger of its own and holds two file locks while it runs: one of its task instance,
//! which a second try at the same time would find taken, and one of the places that the pool has, of which there would be
//! too few if the pool let too many run. Locks are gone with the last process that holds them, orphans included.
//!
//! The seed is printed, and decides every choice that the test makes. `UPDRAFT_CHAOS_SECONDS` says how long it goes on,
//! `UPDRAFT_CHAOS_SEED` makes the same choices again.

mod ledger;
mod processes;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use scheduler::store::runs;
use scheduler::testing::OwnPostgres;

use crate::server::{Installation, PATIENCE, instances};
use ledger::Ledger;
use processes::Processes;

/// How long the short test goes on, which is part of every run of the tests.
const SECONDS: u64 = 45;

/// Runs that are asked for before each disturbance.
const RUNS_EACH: usize = 2;

/// Places in the pool that all tasks share.
const POOL_SLOTS: usize = 6;

#[tokio::test]
async fn whatever_is_killed_nothing_is_lost_or_doubled() {
    let seed: u64 = setting("UPDRAFT_CHAOS_SEED").unwrap_or_else(rand::random);
    let seconds = setting("UPDRAFT_CHAOS_SECONDS").unwrap_or(SECONDS);
    println!("chaos for {seconds} s with seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let postgres = OwnPostgres::start();
    let installation = Installation::on(postgres.url()).await;
    let ledger = Ledger::new(&installation.path().join("ledger"), POOL_SLOTS);
    installation.write_dag("chaos.yaml", &ledger.dag());
    let mut processes = Processes::start(&installation).await;
    let slots = POOL_SLOTS.to_string();
    installation.json(&["pools", "set", "chaos", &slots]).await;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0;
    while Instant::now() < end {
        for _ in 0..RUNS_EACH {
            trigger(&installation, count).await;
            count += 1;
        }
        processes.disturb(&mut random, &postgres).await;
    }
    processes.recover().await;
    println!("{count} runs, {}", processes.told());

    let database = installation.database().await;
    for n in 0..count {
        let run_id = format!("run_{n}");
        let began = Instant::now();
        // What was disturbed last waits for leases to lapse, and for retries.
        let run = loop {
            let run = runs::get(database.read(), "chaos", &run_id).await.expect("what was triggered exists");
            if run.end_date.is_some() {
                break run;
            }
            if began.elapsed() > PATIENCE {
                for instance in instances(&database, &run).await {
                    println!("{} {:?} {:?} {:?}", instance.task_id, instance.state, instance.reason, instance.hostname);
                }
                panic!("run {n} does not end, seed {seed}\n{}", processes.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        for instance in instances(&database, &run).await {
            let state = instance.state.as_deref();
            assert_eq!(state, Some("success"), "{} of run {n}, seed {seed}: {:?}", instance.task_id, instance.error);
        }
        assert_eq!(run.state, "success", "run {n}, seed {seed}");
    }
    ledger.check(count, seed);
    let pools = installation.json(&["pools", "list"]).await;
    let pool = pools.as_array().and_then(|pools| pools.iter().find(|pool| pool["name"] == "chaos")).expect("the pool");
    assert_eq!(pool["occupied_slots"], 0, "no slot is leaked, seed {seed}: {pool}");
    processes.stop().await;
}

/// Asks for a run until the database knows of it.
async fn trigger(installation: &Installation, n: usize) {
    let run_id = format!("run_{n}");
    let began = Instant::now();
    loop {
        let output = installation.run(&["dags", "trigger", "chaos", "--run-id", &run_id]).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // It may have been made by an attempt whose answer was lost.
        if output.status.success() || said.contains("exists already") {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long to go on")]
    std::env::var(name).ok()?.parse().ok()
}
