//! What tasks ask of people, and what they answer.

use sea_orm_migration::prelude::*;

use crate::columns::{flag, instant, instant_null, json, json_null, number, text, text_null, uuid};

/// The migration.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(hitl_detail()).await?;
        let open = Index::create()
            .name("hitl_detail_responded")
            .table(HitlDetail::Table)
            .col(HitlDetail::RespondedAt)
            .col(HitlDetail::CreatedAt)
            .take();
        manager.create_index(open).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(HitlDetail::Table).take()).await
    }
}

fn hitl_detail() -> TableCreateStatement {
    Table::create()
        .table(HitlDetail::Table)
        .col(uuid(HitlDetail::DagRunId))
        .col(text(HitlDetail::TaskId))
        .col(number(HitlDetail::MapIndex))
        .col(number(HitlDetail::TryNumber))
        .col(text(HitlDetail::Subject))
        .col(text_null(HitlDetail::Body))
        .col(json(HitlDetail::Options))
        .col(json_null(HitlDetail::Defaults))
        .col(flag(HitlDetail::Multiple))
        .col(json(HitlDetail::Params))
        .col(json(HitlDetail::AssignedUsers))
        .col(instant(HitlDetail::CreatedAt))
        .col(instant_null(HitlDetail::RespondedAt))
        .col(text_null(HitlDetail::RespondedBy))
        .col(json_null(HitlDetail::ChosenOptions))
        .col(json_null(HitlDetail::ParamsInput))
        .primary_key(
            Index::create()
                .col(HitlDetail::DagRunId)
                .col(HitlDetail::TaskId)
                .col(HitlDetail::MapIndex)
                .col(HitlDetail::TryNumber),
        )
        // An answer is there whole, or not at all.
        .check(Expr::col(HitlDetail::RespondedAt).is_null().eq(Expr::col(HitlDetail::ChosenOptions).is_null()))
        .take()
}

/// A question that a try asks of people, with its answer.
#[derive(DeriveIden)]
enum HitlDetail {
    Table,
    DagRunId,
    TaskId,
    MapIndex,
    TryNumber,
    Subject,
    Body,
    Options,
    Defaults,
    Multiple,
    Params,
    AssignedUsers,
    CreatedAt,
    RespondedAt,
    RespondedBy,
    ChosenOptions,
    ParamsInput,
}
