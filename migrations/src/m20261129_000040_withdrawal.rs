//! What tasks started elsewhere and nobody wants any more.

use sea_orm_migration::prelude::*;

use crate::columns::instant_null;

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let withdrawn_at = instant_null(TaskCheckpoint::WithdrawnAt);
        manager.alter_table(Table::alter().table(TaskCheckpoint::Table).add_column(withdrawn_at).take()).await?;
        // Few of many checkpoints are ever withdrawn, and the engine looks for them every few seconds.
        let withdrawn = Index::create()
            .name(WITHDRAWN)
            .table(TaskCheckpoint::Table)
            .col(TaskCheckpoint::WithdrawnAt)
            .and_where(Expr::col(TaskCheckpoint::WithdrawnAt).is_not_null())
            .take();
        manager.create_index(withdrawn).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(WITHDRAWN).table(TaskCheckpoint::Table).to_owned()).await?;
        let withdrawn_at = TaskCheckpoint::WithdrawnAt;
        manager.alter_table(Table::alter().table(TaskCheckpoint::Table).drop_column(withdrawn_at).take()).await
    }
}

const WITHDRAWN: &str = "task_checkpoint_withdrawn";

/// What a task left for itself.
#[derive(DeriveIden)]
enum TaskCheckpoint {
    Table,
    WithdrawnAt,
}
