//! What a DAG is, when it is due, what runs next, and where that is written down.

pub mod clock;
pub mod dag;
pub mod events;
pub mod log;
pub mod operator;
pub mod run;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
