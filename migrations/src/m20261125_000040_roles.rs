//! Processes of several kinds on one database: leases that are watched instead of timed, and tries for workers.

use sea_orm_migration::prelude::*;

use crate::columns::{flag, instant, instant_null, json_null, number, number_null, text, text_null, uuid, uuid_null};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Nobody who holds a lease is at work while the schema changes.
        manager.drop_table(Table::drop().table(SchedulerLease::Table).take()).await?;
        manager.create_table(process_lease()).await?;
        manager.create_table(task_try()).await?;
        let queue = Index::create()
            .name("task_try_queue")
            .table(TaskTry::Table)
            .col(TaskTry::Worker)
            .col(TaskTry::Queue)
            .take();
        manager.create_index(queue).await?;
        let run = Index::create().name("task_try_run").table(TaskTry::Table).col(TaskTry::DagRunId).take();
        manager.create_index(run).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskTry::Table).take()).await?;
        manager.drop_table(Table::drop().table(ProcessLease::Table).take()).await?;
        manager.create_table(scheduler_lease()).await
    }
}

fn process_lease() -> TableCreateStatement {
    Table::create()
        .table(ProcessLease::Table)
        .col(uuid(ProcessLease::Id))
        .col(text(ProcessLease::Kind))
        .col(text(ProcessLease::Instance))
        .col(text(ProcessLease::Hostname))
        .col(number(ProcessLease::Pid))
        .col(ColumnDef::new(ProcessLease::Presence).big_integer().null())
        .col(ColumnDef::new(ProcessLease::PatienceMs).big_integer().not_null())
        .col(ColumnDef::new(ProcessLease::Renewals).big_integer().not_null())
        .col(instant(ProcessLease::StartedAt))
        .col(instant(ProcessLease::HeartbeatAt))
        .col(flag(ProcessLease::IsLapsed))
        .col(flag(ProcessLease::IsDraining))
        .col(json_null(ProcessLease::Queues))
        .col(number_null(ProcessLease::Concurrency))
        .check(Expr::col(ProcessLease::Kind).is_in(["scheduler", "worker"]))
        .primary_key(Index::create().col(ProcessLease::Id))
        .take()
}

fn task_try() -> TableCreateStatement {
    Table::create()
        .table(TaskTry::Table)
        .col(uuid(TaskTry::TryId))
        .col(uuid(TaskTry::DagRunId))
        .col(text(TaskTry::TaskId))
        .col(number(TaskTry::MapIndex))
        .col(number(TaskTry::TryNumber))
        .col(uuid(TaskTry::DagVersionId))
        .col(text(TaskTry::Queue))
        .col(number(TaskTry::PriorityWeight))
        .col(instant(TaskTry::OrderedAt))
        .col(uuid_null(TaskTry::Worker))
        .col(text_null(TaskTry::Hostname))
        .col(number_null(TaskTry::Pid))
        .col(instant_null(TaskTry::StartedAt))
        .col(flag(TaskTry::IsSeen))
        .col(flag(TaskTry::IsCancelled))
        .col(json_null(TaskTry::Outcome))
        .col(instant_null(TaskTry::EndedAt))
        .primary_key(Index::create().col(TaskTry::TryId))
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

/// A process that may write, or hold tries.
#[derive(DeriveIden)]
enum ProcessLease {
    Table,
    Id,
    Kind,
    Instance,
    Hostname,
    Pid,
    Presence,
    PatienceMs,
    Renewals,
    StartedAt,
    HeartbeatAt,
    IsLapsed,
    IsDraining,
    Queues,
    Concurrency,
}

/// A try that was handed to the workers.
#[derive(DeriveIden)]
enum TaskTry {
    Table,
    TryId,
    DagRunId,
    TaskId,
    MapIndex,
    TryNumber,
    DagVersionId,
    Queue,
    PriorityWeight,
    OrderedAt,
    Worker,
    Hostname,
    Pid,
    StartedAt,
    IsSeen,
    IsCancelled,
    Outcome,
    EndedAt,
}

/// What `process_lease` replaces.
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
