//! What happens next in a run. Pure: the engine feeds it events and carries out its answers.

mod limit;
mod obstacle;
mod retry;
pub mod state;
mod step;
pub mod trigger_rule;

pub use limit::{Limit, NoLimit};
pub use obstacle::{Obstacle, Waiting};
pub use state::{RunState, RunType, TaskState};
pub use step::{Event, Instance, Run, TryEnd, UnknownTry};
