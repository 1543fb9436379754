//! The first schema: DAGs and their versions, runs, task instances, XComs, requests, errors, audit and leases.

// The variants are columns; they are called as the columns are.
#![expect(clippy::enum_variant_names, reason = "a column is named as it is in the table")]

use sea_orm_migration::prelude::*;

use crate::columns::{
    counted_key, flag, instant, instant_null, json, json_null, number, number_null, text, text_null, uuid, uuid_null,
};

/// Creates and drops the first schema.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The states that a task instance may have besides NULL, which Airflow's API calls `none`.
const TASK_STATES: [&str; 13] = [
    "removed",
    "scheduled",
    "queued",
    "running",
    "success",
    "restarting",
    "failed",
    "up_for_retry",
    "up_for_reschedule",
    "upstream_failed",
    "skipped",
    "deferred",
    "awaiting_input",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables().into_iter().rev() {
            if let Some(name) = table.get_table_name() {
                manager.drop_table(Table::drop().table(name.clone()).take()).await?;
            }
        }
        Ok(())
    }
}

fn tables() -> Vec<TableCreateStatement> {
    vec![
        dag(),
        dag_tag(),
        dag_version(),
        dag_run(),
        task_instance(),
        task_instance_history(),
        xcom(),
        task_checkpoint(),
        run_request(),
        import_error(),
        event_log(),
        scheduler_lease(),
    ]
}

fn indices() -> Vec<IndexCreateStatement> {
    vec![
        // A run is one thing under each of its two names; a doubled cron tick meets these.
        unique("dag_run_run_id", DagRun::Table, [DagRun::DagId, DagRun::RunId]),
        unique("dag_run_logical_date", DagRun::Table, [DagRun::DagId, DagRun::LogicalDate]),
        plain("dag_run_run_after", DagRun::Table, [DagRun::DagId, DagRun::RunAfter]),
        plain("dag_run_state", DagRun::Table, [DagRun::State, DagRun::Owner]),
        unique("dag_version_number", DagVersion::Table, [DagVersion::DagId, DagVersion::VersionNumber]),
        unique("dag_version_hash", DagVersion::Table, [DagVersion::DagId, DagVersion::Hash]),
        plain("task_instance_state", TaskInstance::Table, [TaskInstance::State]),
        plain("task_instance_dag", TaskInstance::Table, [TaskInstance::DagId, TaskInstance::RunId]),
        plain("xcom_dag", Xcom::Table, [Xcom::DagId, Xcom::RunId]),
        plain("run_request_run", RunRequest::Table, [RunRequest::DagRunId]),
        unique("import_error_filename", ImportError::Table, [ImportError::BundleName, ImportError::Filename]),
        plain("event_log_dag", EventLog::Table, [EventLog::DagId, EventLog::Dttm]),
    ]
}

fn unique<I: IntoIden + 'static, const N: usize>(name: &str, table: I, columns: [I; N]) -> IndexCreateStatement {
    plain(name, table, columns).unique().take()
}

fn plain<I: IntoIden + 'static, const N: usize>(name: &str, table: I, columns: [I; N]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(table);
    for column in columns {
        index.col(column);
    }
    index.take()
}

fn dag() -> TableCreateStatement {
    Table::create()
        .table(Dag::Table)
        .col(text(Dag::DagId))
        .col(flag(Dag::IsPaused))
        .col(flag(Dag::IsStale))
        .col(flag(Dag::HasImportErrors))
        .col(text(Dag::Fileloc))
        .col(text(Dag::RelativeFileloc))
        .col(text(Dag::BundleName))
        .col(instant_null(Dag::LastParsedTime))
        .col(number_null(Dag::LastParseDurationMs))
        .col(text_null(Dag::Description))
        .col(text(Dag::Owners))
        .col(text_null(Dag::TimetableSummary))
        .col(text_null(Dag::TimetableDescription))
        .col(text(Dag::Timezone))
        .col(number(Dag::MaxActiveRuns))
        .col(number(Dag::MaxActiveTasks))
        .col(instant_null(Dag::NextDagrunLogicalDate))
        .col(instant_null(Dag::NextDagrunDataIntervalStart))
        .col(instant_null(Dag::NextDagrunDataIntervalEnd))
        .col(instant_null(Dag::NextDagrunRunAfter))
        .col(text(Dag::VersionHash))
        .col(text(Dag::Source))
        .col(instant(Dag::UpdatedAt))
        .primary_key(Index::create().col(Dag::DagId))
        .take()
}

fn dag_tag() -> TableCreateStatement {
    Table::create()
        .table(DagTag::Table)
        .col(text(DagTag::DagId))
        .col(text(DagTag::Name))
        .primary_key(Index::create().col(DagTag::DagId).col(DagTag::Name))
        .take()
}

fn dag_version() -> TableCreateStatement {
    Table::create()
        .table(DagVersion::Table)
        .col(uuid(DagVersion::Id))
        .col(text(DagVersion::DagId))
        .col(number(DagVersion::VersionNumber))
        .col(text(DagVersion::Hash))
        .col(text(DagVersion::Source))
        .col(text(DagVersion::RelativeFileloc))
        .col(instant(DagVersion::CreatedAt))
        .primary_key(Index::create().col(DagVersion::Id))
        .take()
}

fn dag_run() -> TableCreateStatement {
    Table::create()
        .table(DagRun::Table)
        .col(uuid(DagRun::Id))
        .col(text(DagRun::DagId))
        .col(text(DagRun::RunId))
        .col(text(DagRun::RunType))
        .col(text(DagRun::State))
        .col(instant_null(DagRun::LogicalDate))
        .col(instant_null(DagRun::DataIntervalStart))
        .col(instant_null(DagRun::DataIntervalEnd))
        .col(instant(DagRun::RunAfter))
        .col(instant_null(DagRun::QueuedAt))
        .col(instant_null(DagRun::StartDate))
        .col(instant_null(DagRun::EndDate))
        .col(instant_null(DagRun::LastSchedulingDecision))
        .col(text_null(DagRun::TriggeredBy))
        .col(text_null(DagRun::TriggeringUserName))
        .col(json(DagRun::Conf))
        .col(text_null(DagRun::Note))
        .col(uuid(DagRun::DagVersionId))
        .col(number(DagRun::ClearNumber))
        .col(uuid_null(DagRun::Owner))
        .col(instant(DagRun::UpdatedAt))
        .primary_key(Index::create().col(DagRun::Id))
        .check(Expr::col(DagRun::State).is_in(["queued", "running", "success", "failed"]))
        // A run is over exactly when it says when.
        .check(Expr::cust("(end_date IS NOT NULL) = (state IN ('success', 'failed'))"))
        .take()
}

fn task_instance() -> TableCreateStatement {
    Table::create()
        .table(TaskInstance::Table)
        .col(uuid(TaskInstance::DagRunId))
        .col(text(TaskInstance::TaskId))
        .col(number(TaskInstance::MapIndex))
        .col(text(TaskInstance::DagId))
        .col(text(TaskInstance::RunId))
        .col(number(TaskInstance::TaskIndex))
        .col(text_null(TaskInstance::State))
        .col(number(TaskInstance::TryNumber))
        .col(number(TaskInstance::MaxTries))
        .col(uuid(TaskInstance::TryId))
        .col(number(TaskInstance::LostTries))
        .col(text(TaskInstance::Operator))
        .col(text(TaskInstance::Pool))
        .col(number(TaskInstance::PoolSlots))
        .col(text(TaskInstance::Queue))
        .col(number(TaskInstance::PriorityWeight))
        .col(instant_null(TaskInstance::ScheduledWhen))
        .col(instant_null(TaskInstance::QueuedWhen))
        .col(instant_null(TaskInstance::StartDate))
        .col(instant_null(TaskInstance::EndDate))
        .col(instant_null(TaskInstance::NextTryAt))
        .col(text_null(TaskInstance::Hostname))
        .col(number_null(TaskInstance::Pid))
        .col(text_null(TaskInstance::Reason))
        .col(text_null(TaskInstance::Error))
        .col(text_null(TaskInstance::Note))
        .col(json_null(TaskInstance::RenderedFields))
        .col(instant(TaskInstance::UpdatedAt))
        .check(Expr::col(TaskInstance::State).is_in(TASK_STATES))
        .primary_key(Index::create().col(TaskInstance::DagRunId).col(TaskInstance::TaskId).col(TaskInstance::MapIndex))
        .take()
}

fn task_instance_history() -> TableCreateStatement {
    Table::create()
        .table(TaskInstanceHistory::Table)
        .col(uuid(TaskInstanceHistory::DagRunId))
        .col(text(TaskInstanceHistory::TaskId))
        .col(number(TaskInstanceHistory::MapIndex))
        .col(number(TaskInstanceHistory::TryNumber))
        .col(text(TaskInstanceHistory::DagId))
        .col(text(TaskInstanceHistory::RunId))
        .col(text_null(TaskInstanceHistory::State))
        .col(number(TaskInstanceHistory::MaxTries))
        .col(uuid(TaskInstanceHistory::TryId))
        .col(text(TaskInstanceHistory::Operator))
        .col(text(TaskInstanceHistory::Pool))
        .col(number(TaskInstanceHistory::PoolSlots))
        .col(text(TaskInstanceHistory::Queue))
        .col(number(TaskInstanceHistory::PriorityWeight))
        .col(instant_null(TaskInstanceHistory::ScheduledWhen))
        .col(instant_null(TaskInstanceHistory::QueuedWhen))
        .col(instant_null(TaskInstanceHistory::StartDate))
        .col(instant_null(TaskInstanceHistory::EndDate))
        .col(text_null(TaskInstanceHistory::Hostname))
        .col(number_null(TaskInstanceHistory::Pid))
        .col(text_null(TaskInstanceHistory::Error))
        .col(json_null(TaskInstanceHistory::RenderedFields))
        .primary_key(
            Index::create()
                .col(TaskInstanceHistory::DagRunId)
                .col(TaskInstanceHistory::TaskId)
                .col(TaskInstanceHistory::MapIndex)
                .col(TaskInstanceHistory::TryNumber),
        )
        .take()
}

fn xcom() -> TableCreateStatement {
    Table::create()
        .table(Xcom::Table)
        .col(uuid(Xcom::DagRunId))
        .col(text(Xcom::TaskId))
        .col(number(Xcom::MapIndex))
        .col(text(Xcom::Key))
        .col(text(Xcom::DagId))
        .col(text(Xcom::RunId))
        .col(json(Xcom::Value))
        .col(instant(Xcom::Timestamp))
        .primary_key(Index::create().col(Xcom::DagRunId).col(Xcom::TaskId).col(Xcom::MapIndex).col(Xcom::Key))
        .take()
}

fn task_checkpoint() -> TableCreateStatement {
    Table::create()
        .table(TaskCheckpoint::Table)
        .col(uuid(TaskCheckpoint::DagRunId))
        .col(text(TaskCheckpoint::TaskId))
        .col(number(TaskCheckpoint::MapIndex))
        .col(json(TaskCheckpoint::Value))
        .col(instant(TaskCheckpoint::UpdatedAt))
        .primary_key(
            Index::create().col(TaskCheckpoint::DagRunId).col(TaskCheckpoint::TaskId).col(TaskCheckpoint::MapIndex),
        )
        .take()
}

fn run_request() -> TableCreateStatement {
    Table::create()
        .table(RunRequest::Table)
        .col(counted_key(RunRequest::Id))
        .col(uuid(RunRequest::DagRunId))
        .col(text(RunRequest::Kind))
        .col(json(RunRequest::Payload))
        .col(text_null(RunRequest::RequestedBy))
        .col(instant(RunRequest::CreatedAt))
        .take()
}

fn import_error() -> TableCreateStatement {
    Table::create()
        .table(ImportError::Table)
        .col(counted_key(ImportError::Id))
        .col(text(ImportError::Filename))
        .col(text(ImportError::BundleName))
        .col(instant(ImportError::Timestamp))
        .col(text(ImportError::StackTrace))
        .take()
}

fn event_log() -> TableCreateStatement {
    Table::create()
        .table(EventLog::Table)
        .col(counted_key(EventLog::Id))
        .col(instant(EventLog::Dttm))
        .col(text(EventLog::Event))
        .col(text_null(EventLog::DagId))
        .col(text_null(EventLog::RunId))
        .col(text_null(EventLog::TaskId))
        .col(number_null(EventLog::MapIndex))
        .col(number_null(EventLog::TryNumber))
        .col(text_null(EventLog::Owner))
        .col(text_null(EventLog::Extra))
        .take()
}

fn scheduler_lease() -> TableCreateStatement {
    Table::create()
        .table(SchedulerLease::Table)
        .col(uuid(SchedulerLease::Id))
        .col(text(SchedulerLease::Instance))
        .col(text(SchedulerLease::Hostname))
        .col(number(SchedulerLease::Pid))
        .col(instant(SchedulerLease::StartedAt))
        .col(instant(SchedulerLease::HeartbeatAt))
        .col(instant(SchedulerLease::ExpiresAt))
        .col(flag(SchedulerLease::IsLapsed))
        .primary_key(Index::create().col(SchedulerLease::Id))
        .take()
}

/// A DAG that was loaded at least once, with its last good definition.
#[derive(DeriveIden)]
enum Dag {
    Table,
    DagId,
    IsPaused,
    IsStale,
    HasImportErrors,
    Fileloc,
    RelativeFileloc,
    BundleName,
    LastParsedTime,
    LastParseDurationMs,
    Description,
    Owners,
    TimetableSummary,
    TimetableDescription,
    Timezone,
    MaxActiveRuns,
    MaxActiveTasks,
    NextDagrunLogicalDate,
    NextDagrunDataIntervalStart,
    NextDagrunDataIntervalEnd,
    NextDagrunRunAfter,
    VersionHash,
    Source,
    UpdatedAt,
}

/// A tag of a DAG.
#[derive(DeriveIden)]
enum DagTag {
    Table,
    DagId,
    Name,
}

/// A definition of a DAG that at least one run used; runs are pinned to it.
#[derive(DeriveIden)]
enum DagVersion {
    Table,
    Id,
    DagId,
    VersionNumber,
    Hash,
    Source,
    RelativeFileloc,
    CreatedAt,
}

/// One execution of a DAG.
#[derive(DeriveIden)]
enum DagRun {
    Table,
    Id,
    DagId,
    RunId,
    RunType,
    State,
    LogicalDate,
    DataIntervalStart,
    DataIntervalEnd,
    RunAfter,
    QueuedAt,
    StartDate,
    EndDate,
    LastSchedulingDecision,
    TriggeredBy,
    TriggeringUserName,
    Conf,
    Note,
    DagVersionId,
    ClearNumber,
    Owner,
    UpdatedAt,
}

/// A task within a run, as its current or last try left it.
#[derive(DeriveIden)]
enum TaskInstance {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    DagId,
    RunId,
    TaskIndex,
    State,
    TryNumber,
    MaxTries,
    TryId,
    LostTries,
    Operator,
    Pool,
    PoolSlots,
    Queue,
    PriorityWeight,
    ScheduledWhen,
    QueuedWhen,
    StartDate,
    EndDate,
    NextTryAt,
    Hostname,
    Pid,
    Reason,
    Error,
    Note,
    RenderedFields,
    UpdatedAt,
}

/// An earlier try of a task within a run.
#[derive(DeriveIden)]
enum TaskInstanceHistory {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    TryNumber,
    DagId,
    RunId,
    State,
    MaxTries,
    TryId,
    Operator,
    Pool,
    PoolSlots,
    Queue,
    PriorityWeight,
    ScheduledWhen,
    QueuedWhen,
    StartDate,
    EndDate,
    Hostname,
    Pid,
    Error,
    RenderedFields,
}

/// A value that a task left for others.
#[derive(DeriveIden)]
enum Xcom {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    Key,
    DagId,
    RunId,
    Value,
    Timestamp,
}

/// A value that a task left for itself, to go on after a restart.
#[derive(DeriveIden)]
enum TaskCheckpoint {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    Value,
    UpdatedAt,
}

/// What a person asked of a run that a scheduler owns; its owner carries it out.
#[derive(DeriveIden)]
enum RunRequest {
    Table,
    Id,
    DagRunId,
    Kind,
    Payload,
    RequestedBy,
    CreatedAt,
}

/// What is wrong with a DAG file.
#[derive(DeriveIden)]
enum ImportError {
    Table,
    Id,
    Filename,
    BundleName,
    Timestamp,
    StackTrace,
}

/// Who did what and when (audit).
#[derive(DeriveIden)]
enum EventLog {
    Table,
    Id,
    Dttm,
    Event,
    DagId,
    RunId,
    TaskId,
    MapIndex,
    TryNumber,
    Owner,
    Extra,
}

/// A scheduler process; whoever's lease has lapsed can write nothing more.
#[derive(DeriveIden)]
enum SchedulerLease {
    Table,
    Id,
    Instance,
    Hostname,
    Pid,
    StartedAt,
    HeartbeatAt,
    ExpiresAt,
    IsLapsed,
}
