//! Who did what and when.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use super::entity::{callback_request, event_log};
use super::error::{StoreError, doing};

/// Something that a person or the scheduler did.
#[derive(Clone, Debug, Default)]
pub struct Deed<'a> {
    /// What, in the words of Airflow's operation ids (`trigger_dag_run`).
    pub event: &'a str,
    /// To which DAG.
    pub dag_id: Option<&'a str>,
    /// To which run.
    pub run_id: Option<&'a str>,
    /// To which task instance.
    pub task: Option<DeedTask<'a>>,
    /// Who.
    pub owner: Option<&'a str>,
    /// The rest, without secrets.
    pub extra: Option<serde_json::Value>,
}

/// The task instance that something was done to.
#[derive(Clone, Copy, Debug)]
pub struct DeedTask<'a> {
    /// The task.
    pub task_id: &'a str,
    /// -1 when not mapped.
    pub map_index: i32,
    /// The try.
    pub try_number: i32,
}

impl DeedTask<'_> {
    /// The one that a callback tells of; none when that is a run.
    pub(crate) fn of_callback(callback: &callback_request::Model) -> Option<DeedTask<'_>> {
        let (map_index, try_number) = (callback.map_index, callback.try_number.unwrap_or(0));
        callback.task_id.as_deref().map(|task_id| DeedTask { task_id, map_index, try_number })
    }
}

/// Writes it down.
pub async fn record(db: &impl ConnectionTrait, deed: Deed<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let row = event_log::ActiveModel {
        dttm: Set(now),
        event: Set(deed.event.to_owned()),
        dag_id: Set(deed.dag_id.map(str::to_owned)),
        run_id: Set(deed.run_id.map(str::to_owned)),
        task_id: Set(deed.task.map(|task| task.task_id.to_owned())),
        map_index: Set(deed.task.map(|task| task.map_index)),
        try_number: Set(deed.task.map(|task| task.try_number)),
        owner: Set(deed.owner.map(str::to_owned)),
        extra: Set(deed.extra.map(|extra| extra.to_string())),
        ..Default::default()
    };
    event_log::Entity::insert(row).exec_without_returning(db).await.map_err(doing("writing the audit log"))?;
    Ok(())
}
