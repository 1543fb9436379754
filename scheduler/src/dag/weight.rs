//! How heavy a task is when slots are short (Airflow 3: priority weights and weight rules).
//!
//! ```text
//!   absolute:    its own weight
//!   downstream:  its own, and the own weights of all tasks that follow from it, each once
//!   upstream:    its own, and the own weights of all tasks that it follows from, each once
//! ```
//!
//! A task that can be reached in several ways counts once, so the sums need to know who reaches whom. That is found for
//! 64 tasks at a time, one bit for each, so that a DAG of many thousands needs no square of them.

use petgraph::Direction;
use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};

use super::{Task, TaskIndex};

/// Which weights count towards a task's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightRule {
    /// Its own and those of everything after it, so that what much depends on goes first.
    #[default]
    Downstream,
    /// Its own and those of everything before it, so that what was begun is ended first.
    Upstream,
    /// Its own alone.
    Absolute,
}

/// Tasks whose reach is found in one pass: the bits of a word.
const BLOCK: usize = u64::BITS as usize;

/// The effective weight of every task, by its index. `topological` has each task after its upstream tasks.
pub(super) fn effective(graph: &DiGraph<Task, (), u32>, topological: &[TaskIndex]) -> Vec<i32> {
    let own: Vec<i64> = graph.node_weights().map(|task| i64::from(task.priority_weight)).collect();
    let is_used = |rule: WeightRule| graph.node_weights().any(|task| task.weight_rule == rule);
    let (mut downstream, mut upstream) = (Vec::new(), Vec::new());
    if is_used(WeightRule::Downstream) {
        downstream = sums(graph, topological, Direction::Outgoing, &own);
    }
    if is_used(WeightRule::Upstream) {
        let reversed: Vec<TaskIndex> = topological.iter().rev().copied().collect();
        upstream = sums(graph, &reversed, Direction::Incoming, &own);
    }
    graph
        .node_indices()
        .map(|task| match graph[task].weight_rule {
            WeightRule::Downstream => clamped(downstream[task.index()]),
            WeightRule::Upstream => clamped(upstream[task.index()]),
            WeightRule::Absolute => graph[task].priority_weight,
        })
        .collect()
}

/// For every task, its own weight and those of all that it reaches going `towards`; whatever a task reaches stands after
/// it in `order`.
fn sums(graph: &DiGraph<Task, (), u32>, order: &[TaskIndex], towards: Direction, own: &[i64]) -> Vec<i64> {
    let mut sums = own.to_vec();
    // Which tasks of the block each task is or reaches.
    let mut reached = vec![0_u64; order.len()];
    for (number, block) in order.chunks(BLOCK).enumerate() {
        let first = number * BLOCK;
        // Nothing behind the block reaches into it.
        for place in (0..first + block.len()).rev() {
            let task = order[place];
            let beyond = graph.neighbors_directed(task, towards).fold(0, |all, next| all | reached[next.index()]);
            let sum = &mut sums[task.index()];
            for target in bits(beyond) {
                *sum += own[block[target].index()];
            }
            let itself = place.checked_sub(first).map_or(0, |bit| 1 << bit);
            reached[task.index()] = beyond | itself;
        }
    }
    sums
}

/// The places of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = word.trailing_zeros() as usize;
        word &= word.checked_sub(1)?;
        Some(place)
    })
}

/// Databases keep 32 bits (Airflow 3: `db_safe_priority`).
fn clamped(weight: i64) -> i32 {
    i32::try_from(weight).unwrap_or(if weight < 0 { i32::MIN } else { i32::MAX })
}
