//! The tables, one file each. A row is what the database keeps; the engine means something richer.

pub mod asset;
pub mod asset_dag_run_queue;
pub mod asset_event;
pub mod asset_event_dag_run;
pub mod asset_reference;
pub mod backfill;
pub mod callback_request;
pub mod connection;
pub mod dag;
pub mod dag_run;
pub mod dag_tag;
pub mod dag_version;
pub mod deadline;
pub mod event_log;
pub mod hitl_detail;
pub mod import_error;
pub mod pool;
pub mod process_lease;
pub mod run_request;
pub mod secret_key;
pub mod task_checkpoint;
pub mod task_instance;
pub mod task_instance_history;
pub mod task_try;
pub mod variable;
pub mod xcom;
