//! What a DAG is: the model that the engine means, however people wrote it. Pure: nothing here reads or waits.

mod model;

pub use model::{Dag, DagHead, DagRunPolicy, InvalidGraph, Param, Schedule, Task, TaskIndex, TriggerRule};
