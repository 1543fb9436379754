//! What a DAG is, when it is due, what runs next, and where that is written down.

pub mod bus;
pub mod catalog;
pub mod chain;
pub mod clock;
pub mod connection;
pub mod control;
pub mod dag;
pub mod engine;
pub mod events;
pub mod keyring;
pub mod log;
pub mod old_logs;
pub mod operator;
pub mod paths;
pub mod preview;
pub mod rehearsal;
pub mod run;
pub mod run_id;
pub mod secrets;
pub mod sources;
mod storable;
pub mod store;
pub mod template_files;
#[cfg(feature = "testing")]
pub mod testing;
pub mod worker;
