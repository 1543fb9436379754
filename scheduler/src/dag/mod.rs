//! What a DAG is: the model that the engine means, however people wrote it. Pure: nothing here reads or waits.
//!
//! ```text
//!   YAML text ──spec::load──> Dag ──Timetable──> when its runs are due
//!                              │  ──params─────> what a run was given, checked
//!                              └────template───> a task's arguments, filled in
//! ```

pub mod callback;
pub mod duration;
mod model;
pub mod params;
mod shape;
pub mod spec;
pub mod template;
pub mod timetable;
pub mod version;

pub use model::{Dag, DagHead, DagRunPolicy, InvalidGraph, Param, Schedule, Task, TaskIndex, TriggerRule};
