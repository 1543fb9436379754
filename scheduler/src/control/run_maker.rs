//! Runs that tasks make (Airflow 3: `TriggerDagRunOperator`).
//!
//! A run and the note of the task that it made it are one transaction, under a lock of the task instance. So a try that is
//! made again after its process was killed finds its run, and makes no second one.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clear::ClearRun;
use super::{Control, ControlError, Trigger, TriggeredBy};
use crate::engine::wake::Wake;
use crate::events::Change;
use crate::operator::{HowMade, MadeRun, RunMaker, RunRefusal, TaskKey, WantedDate, WantedRun, WhenExists};
use crate::run::RunType;
use crate::store::audit::{self, Deed, DeedTask};
use crate::store::checkpoints::{self, Keeper};
use crate::store::entity::{dag_run, task_instance};
use crate::store::{Db, StoreError, commit, dags, runs};

/// Runs that were asked for at the same instant are put side by side, so many times at most.
const INSTANTS_MAX: i64 = 1000;

/// What a task notes of the run that it made, in its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Noted {
    /// The run, and the try that made it.
    TriggeredRun { dag_id: String, run_id: String, logical_date: Option<DateTime<Utc>>, try_number: u32 },
}

impl Noted {
    fn read(checkpoint: Option<Value>) -> Option<Noted> {
        // What cannot be read was noted by another operator, before the DAG file was changed.
        serde_json::from_value(checkpoint?).ok()
    }
}

/// The run that a task instance made last: its DAG, and its name.
pub async fn triggered_run(db: &Db, instance: &task_instance::Model) -> Result<Option<(String, String)>, StoreError> {
    let task_instance::Model { dag_run_id, task_id, map_index, .. } = instance;
    let checkpoint = checkpoints::load(db.read(), *dag_run_id, task_id, *map_index).await?;
    Ok(Noted::read(checkpoint).map(|Noted::TriggeredRun { dag_id, run_id, .. }| (dag_id, run_id)))
}

#[async_trait]
impl RunMaker for Control {
    async fn make(&self, by: &TaskKey, try_number: u32, wanted: WantedRun) -> Result<MadeRun, RunRefusal> {
        let now = self.clock.now();
        for tick in 0..INSTANTS_MAX {
            // Tasks of which nobody said about what their runs are may ask at the same instant.
            let instant = now + TimeDelta::microseconds(tick);
            match self.make_once(by, try_number, &wanted, instant).await? {
                Made::Run(run) => return Ok(run),
                Made::Clash(_) if wanted.run_id.is_none() && wanted.logical_date == WantedDate::Now => {}
                Made::Clash(run) => return self.existing(by, try_number, &wanted, &run).await,
            }
        }
        Err(RunRefusal::NotNow(format!("too many runs of DAG `{}` are asked for at the same instant", wanted.dag_id)))
    }
}

/// What became of an attempt to make a run.
enum Made {
    Run(MadeRun),
    /// There is one with its name or its logical date.
    Clash(Box<dag_run::Model>),
}

impl Control {
    async fn make_once(
        &self,
        by: &TaskKey,
        try_number: u32,
        wanted: &WantedRun,
        now: DateTime<Utc>,
    ) -> Result<Made, RunRefusal> {
        let txn = self.db.begin_write().await?;
        let instance = runs::lock_instance(&txn, by).await?;
        if instance.try_number > i32::try_from(try_number).unwrap_or(i32::MAX) {
            return Err(RunRefusal::NotNow("a later try of this task has begun".to_owned()));
        }
        if let Some(run) = made_before(&txn, &instance, try_number).await? {
            return Ok(Made::Run(run));
        }
        let dag = match dags::get_live(&txn, &wanted.dag_id).await {
            Err(StoreError::NotFound { .. }) => {
                return Err(RunRefusal::NotNow(format!("there is no DAG `{}`", wanted.dag_id)));
            }
            found => found?,
        };
        if dag.has_import_errors {
            let problem = format!("DAG `{}` has import errors; mend its file before it is triggered", dag.dag_id);
            return Err(RunRefusal::NotNow(problem));
        }
        if dag.is_paused && wanted.refuses_paused {
            return Err(RunRefusal::NotNow(format!("DAG `{}` is paused", dag.dag_id)));
        }
        let run = self.asked_run(&txn, &dag, trigger(wanted, now), RunType::OperatorTriggered, now).await?;
        if let Some(there) = runs::clashing(&txn, &run).await? {
            return Ok(Made::Clash(Box::new(there)));
        }
        match runs::insert(&txn, run.clone()).await {
            // Somebody was faster, between the two statements: their run is seen when it is looked for again.
            Err(StoreError::Exists { .. }) => {
                drop(txn);
                return match runs::clashing(self.db.read(), &run).await? {
                    Some(there) => Ok(Made::Clash(Box::new(there))),
                    None => Err(RunRefusal::NotNow(format!("the run `{}` was made and deleted meanwhile", run.run_id))),
                };
            }
            done => done?,
        }
        note(&txn, &instance, try_number, &run, now).await?;
        record(&txn, by, try_number, &run, now).await?;
        commit(txn).await?;
        self.changes.send(Change::dag_run(&run.dag_id, &run.run_id, "queued"));
        self.waker.wake(Wake::Runs);
        Ok(Made::Run(made(&run, HowMade::New)))
    }

    /// What is done with a run that is there already.
    async fn existing(
        &self,
        by: &TaskKey,
        try_number: u32,
        wanted: &WantedRun,
        run: &dag_run::Model,
    ) -> Result<MadeRun, RunRefusal> {
        match wanted.when_exists {
            WhenExists::Fail => Err(RunRefusal::Never(format!(
                "DAG `{}` has a run `{}` or one with the same logical date already",
                wanted.dag_id, run.run_id
            ))),
            WhenExists::Tell => Ok(made(run, HowMade::Existing)),
            WhenExists::Reset => {
                // When the process is killed between the two transactions, the run is cleared again: it begins once more.
                self.clear_run(&run.dag_id, &run.run_id, ClearRun::default(), None).await?;
                let now = self.clock.now();
                let txn = self.db.begin_write().await?;
                let instance = runs::lock_instance(&txn, by).await?;
                note(&txn, &instance, try_number, run, now).await?;
                commit(txn).await?;
                Ok(made(run, HowMade::Reset))
            }
        }
    }
}

fn trigger(wanted: &WantedRun, now: DateTime<Utc>) -> Trigger {
    Trigger {
        run_id: wanted.run_id.clone(),
        logical_date: match wanted.logical_date {
            WantedDate::Now => Some(now),
            WantedDate::At(date) => Some(date),
            WantedDate::Nothing => None,
        },
        data_interval: None,
        partition_key: None,
        // The earliest instant at which it may start; Airflow names a run by its logical date.
        run_after: match (wanted.run_after, wanted.logical_date) {
            (Some(instant), _) => Some(instant),
            (None, WantedDate::At(date)) if date < now => Some(date),
            _ => Some(now),
        },
        conf: wanted.conf.clone(),
        note: wanted.note.clone(),
        triggered_by: TriggeredBy::Operator,
        user: None,
    }
}

fn made(run: &dag_run::Model, how: HowMade) -> MadeRun {
    MadeRun { run_id: run.run_id.clone(), logical_date: run.logical_date, how }
}

/// The run that this try made before its process was lost.
async fn made_before(
    txn: &DatabaseTransaction,
    instance: &task_instance::Model,
    try_number: u32,
) -> Result<Option<MadeRun>, StoreError> {
    let checkpoint = checkpoints::load(txn, instance.dag_run_id, &instance.task_id, instance.map_index).await?;
    Ok(match Noted::read(checkpoint) {
        Some(Noted::TriggeredRun { run_id, logical_date, try_number: made_by, .. }) if made_by == try_number => {
            Some(MadeRun { run_id, logical_date, how: HowMade::Before })
        }
        _ => None,
    })
}

async fn note(
    txn: &DatabaseTransaction,
    instance: &task_instance::Model,
    try_number: u32,
    run: &dag_run::Model,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let noted = Noted::TriggeredRun {
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        logical_date: run.logical_date,
        try_number,
    };
    let value = serde_json::to_value(noted).unwrap_or_default();
    let task_instance::Model { dag_run_id, task_id, map_index, .. } = instance;
    let keeper = Keeper {
        run: *dag_run_id,
        task_id: task_id.clone(),
        map_index: *map_index,
        try_number,
        // A run that was made goes on by itself: nothing is ended.
        dag_version: None,
    };
    checkpoints::save(txn, &keeper, value, now).await
}

async fn record(
    txn: &DatabaseTransaction,
    by: &TaskKey,
    try_number: u32,
    run: &dag_run::Model,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let deed = Deed {
        event: "trigger_dag_run",
        dag_id: Some(&by.dag_id),
        run_id: Some(&by.run_id),
        task: Some(DeedTask {
            task_id: &by.task_id,
            map_index: by.map_index,
            try_number: i32::try_from(try_number).unwrap_or(i32::MAX),
        }),
        owner: None,
        extra: Some(json!({
            "trigger_dag_id": run.dag_id,
            "trigger_run_id": run.run_id,
            "conf": run.conf,
            "logical_date": run.logical_date,
        })),
    };
    audit::record(txn, deed, now).await
}

impl From<StoreError> for RunRefusal {
    fn from(error: StoreError) -> RunRefusal {
        RunRefusal::World(error.into())
    }
}

impl From<ControlError> for RunRefusal {
    fn from(error: ControlError) -> RunRefusal {
        match error {
            ControlError::Invalid(problem) => RunRefusal::Never(problem),
            ControlError::NotFound { .. } | ControlError::Conflict(_) => RunRefusal::NotNow(error.to_string()),
            other => RunRefusal::World(other.into()),
        }
    }
}
