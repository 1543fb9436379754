//! The schema of Updraft's database, as sea-orm migrations that run alike on Postgres and SQLite.
//!
//! Migrations are never edited after a release: a change is a new file, listed last in [`Migrator`].

mod columns;
mod m20261121_000001_initial;
mod m20261125_000001_limits;
mod m20261125_000002_run_semantics;
mod m20261125_000010_backfill;
mod m20261125_000020_callbacks;
mod m20261125_000030_assets;
mod m20261125_000040_roles;
mod m20261128_000010_deferral;
mod m20261129_000010_connections;
mod m20261129_000020_updates_in_place;
mod m20261129_000030_hitl_detail;
mod m20261129_000040_withdrawal;
mod m20261129_000110_try_log;
mod m20261129_000120_asset_alias;
mod m20261129_000130_callback_history;
mod m20261129_000140_task_state;
mod m20261129_000150_checkpoint_version;
mod m20261129_000210_asset_alias_reference;
mod m20261129_000300_display_names;
mod m20261129_000310_order_of_keys;
mod m20261130_000010_revoked_token;
mod m20261130_000020_partition;
mod m20261130_000030_partition_queue;
mod m20261130_000040_unfinished_runs;

use sea_orm_migration::prelude::*;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_initial::Migration),
            Box::new(m20261125_000001_limits::Migration),
            Box::new(m20261125_000002_run_semantics::Migration),
            Box::new(m20261125_000010_backfill::Migration),
            Box::new(m20261125_000020_callbacks::Migration),
            Box::new(m20261125_000030_assets::Migration),
            Box::new(m20261125_000040_roles::Migration),
            Box::new(m20261128_000010_deferral::Migration),
            Box::new(m20261129_000010_connections::Migration),
            Box::new(m20261129_000020_updates_in_place::Migration),
            Box::new(m20261129_000030_hitl_detail::Migration),
            Box::new(m20261129_000040_withdrawal::Migration),
            Box::new(m20261129_000110_try_log::Migration),
            Box::new(m20261129_000120_asset_alias::Migration),
            Box::new(m20261129_000130_callback_history::Migration),
            Box::new(m20261129_000140_task_state::Migration),
            Box::new(m20261129_000150_checkpoint_version::Migration),
            Box::new(m20261129_000210_asset_alias_reference::Migration),
            Box::new(m20261129_000300_display_names::Migration),
            Box::new(m20261129_000310_order_of_keys::Migration),
            Box::new(m20261130_000010_revoked_token::Migration),
            Box::new(m20261130_000020_partition::Migration),
            Box::new(m20261130_000030_partition_queue::Migration),
            Box::new(m20261130_000040_unfinished_runs::Migration),
        ]
    }
}
