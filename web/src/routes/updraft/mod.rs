//! What Updraft adds to Airflow's API, mostly for its own UI.

pub(crate) mod backfills;
pub(crate) mod callbacks;
pub(crate) mod connection_types;
pub(crate) mod dag_assets;
pub(crate) mod dags;
pub(crate) mod events;
pub(crate) mod grid;
pub(crate) mod live;
pub(crate) mod log_stream;
pub(crate) mod me;
pub(crate) mod next_runs;
