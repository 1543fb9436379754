//! What a DAG is: the model that the engine means, however people wrote it. Pure: nothing here reads or waits.
//!
//! ```text
//!   YAML text ──spec::load──> Dag ──Timetable──> when its runs are due
//!                              │  ──params─────> what a run was given, checked
//!                              └────template───> a task's arguments, filled in
//! ```

pub mod asset;
pub mod callback;
pub mod duration;
mod model;
pub mod params;
pub mod partition;
pub mod period;
mod run_policy;
mod run_type;
pub mod schedule;
mod scope;
pub(crate) mod shape;
pub mod spec;
pub mod template;
pub mod timetable;
pub mod version;
mod weight;

pub use model::{
    AnswerPolicy, Dag, DagHead, InvalidGraph, MAP_LENGTH_MAX, MappedValues, Mapping, Param, PastDependency,
    RetryAction, RetryRule, Task, TaskGroup, TaskIndex, TaskRole, TriggerRule,
};
/// The two directions in a graph: `Incoming` is upstream, `Outgoing` downstream.
pub use petgraph::Direction;
pub use run_policy::DagRunPolicy;
pub use run_type::RunType;
pub use schedule::Schedule;
pub use weight::WeightRule;
