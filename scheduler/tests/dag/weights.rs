//! How heavy tasks are (airflow-semantics section 5: weight rules).

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;
use scheduler::dag::{Dag, TaskIndex};

use crate::fixtures::dag;

/// `a` leads to `b` and `c`, both lead to `d`; `e` stands alone. Own weights are powers of ten, so that a sum shows whom
/// it counts.
fn diamond(rule: &str) -> String {
    format!(
        "default_args: {{weight_rule: {rule}}}
tasks:
  - {{task_id: a, operator: empty, priority_weight: 1}}
  - {{task_id: b, operator: empty, priority_weight: 10, dependencies: [a]}}
  - {{task_id: c, operator: empty, priority_weight: 100, dependencies: [a]}}
  - {{task_id: d, operator: empty, priority_weight: 1000, dependencies: [b, c]}}
  - {{task_id: e, operator: empty, priority_weight: -5}}
"
    )
}

fn weights(dag: &Dag) -> Vec<i32> {
    dag.tasks().map(|(index, _)| dag.weight(index)).collect()
}

/// Section 5: downstream = own + the own weights of all descendants, each once; upstream = own + those of all ancestors.
#[rstest]
#[case::downstream("downstream", [1111, 1010, 1100, 1000, -5])]
#[case::upstream("upstream", [1, 11, 101, 1111, -5])]
#[case::absolute("absolute", [1, 10, 100, 1000, -5])]
fn weight_rules(#[case] rule: &str, #[case] expected: [i32; 5]) {
    assert_eq!(weights(&dag(&diamond(rule))), expected);
}

#[test]
fn the_rule_is_each_tasks_own_and_sums_own_weights() {
    let text = "tasks:
  - {task_id: a, operator: empty, priority_weight: 2}
  - {task_id: b, operator: empty, priority_weight: 3, weight_rule: absolute, dependencies: [a]}
  - {task_id: c, operator: empty, priority_weight: 4, weight_rule: upstream, dependencies: [b]}
";
    assert_eq!(weights(&dag(text)), [9, 3, 9]);
}

/// Section 5: int32 clamp.
#[test]
fn sums_stay_within_32_bits() {
    let heavy = |weight: i32| {
        format!(
            "tasks:\n  - {{task_id: a, operator: empty, priority_weight: {weight}}}\n  \
             - {{task_id: b, operator: empty, priority_weight: {weight}, dependencies: [a]}}\n"
        )
    };
    assert_eq!(weights(&dag(&heavy(2_000_000_000))), [i32::MAX, 2_000_000_000]);
    assert_eq!(weights(&dag(&heavy(-2_000_000_000))), [i32::MIN, -2_000_000_000]);
}

/// Everything that is reached from a task, by walking.
fn reached(dag: &Dag, from: TaskIndex, downstream: bool) -> BTreeSet<TaskIndex> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(task) = open.pop() {
        let next: Vec<TaskIndex> =
            if downstream { dag.downstream(task).collect() } else { dag.upstream(task).collect() };
        open.extend(next.into_iter().filter(|next| found.insert(*next)));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    // More tasks than one pass takes, in an order of the file that is not that of the graph.
    #[test]
    fn sums_are_those_of_walking(
        edges in prop::collection::vec((0usize..150, 0usize..150), 0..400),
        own in prop::collection::vec(-3i32..10, 150),
        upstream in prop::collection::vec(any::<bool>(), 150),
    ) {
        let mut text = String::from("tasks:\n");
        for task in (0..150).rev() {
            let before: Vec<String> =
                edges.iter().filter(|(from, to)| to.max(from) == &task && from != to).map(|(from, to)| format!("t{}", from.min(to))).collect();
            let rule = if upstream[task] { "upstream" } else { "downstream" };
            text += &format!(
                "  - {{task_id: t{task}, operator: empty, priority_weight: {}, weight_rule: {rule}, dependencies: [{}]}}\n",
                own[task],
                before.join(", ")
            );
        }
        let dag = dag(&text);
        for (index, task) in dag.tasks() {
            let number: usize = task.task_id[1..].parse().unwrap();
            let others: i32 = reached(&dag, index, !upstream[number]).iter().map(|other| dag.task(*other).priority_weight).sum();
            prop_assert_eq!(dag.weight(index), task.priority_weight + others, "{}", task.task_id);
        }
    }
}
