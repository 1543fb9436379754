//! What happens next in a run. Pure: the engine feeds it events and carries out its answers.
//!
//! ```text
//!   Event ──step──> settle ──trigger_rule──> what starts, what is skipped ──> Step
//!             └───> clear   (people and timeouts)
//! ```

mod clear;
mod instance;
mod limit;
mod obstacle;
pub mod past;
mod retry;
#[expect(clippy::module_inception, reason = "the run of a DAG is what this module is about")]
mod run;
pub mod selection;
mod settle;
pub mod state;
mod step;
pub mod trigger_rule;

/// What is mapped over has at most so many items.
pub use crate::dag::MAP_LENGTH_MAX;
/// Why a run exists.
pub use crate::dag::RunType;
pub use instance::{Instance, InstanceIndex, Pushed, UNMAPPED};
pub use limit::{Limit, NoLimit};
pub use obstacle::{Obstacle, Waiting};
pub use run::Run;
pub use state::{RunState, TaskState};
pub use step::{Event, LOST_TRIES_MAX, Next, Step, TryEnd, UnknownTry};
