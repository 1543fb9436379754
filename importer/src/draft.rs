//! The DAGs, tasks, groups and arrows that were found so far.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value as Json;

use crate::value::Value;

/// More arrows than this are a mistake of a loop.
const ARROWS_MAX: usize = 200_000;

/// More tasks than this are a mistake of a loop.
pub(crate) const TASKS_MAX: usize = 20_000;

/// A key with its value, and where it was said.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Json,
    pub(crate) place: Range<usize>,
}

/// A DAG.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dag {
    pub(crate) dag_id: String,
    pub(crate) place: Range<usize>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) default_args: Vec<Entry>,
}

/// A task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Task {
    /// As the file names it, without the groups around it.
    pub(crate) name: String,
    pub(crate) dag: Option<usize>,
    pub(crate) group: Option<usize>,
    /// The word after `operator:`.
    pub(crate) operator: String,
    pub(crate) place: Range<usize>,
    pub(crate) entries: Vec<Entry>,
    /// Why it cannot run as it is.
    pub(crate) lost: Option<String>,
}

/// A group of tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) dag: Option<usize>,
    pub(crate) parent: Option<usize>,
    pub(crate) prefixes: bool,
    pub(crate) place: Range<usize>,
    pub(crate) entries: Vec<Entry>,
}

/// Where an arrow begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Task(usize),
    Group(usize),
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) dags: Vec<Dag>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) groups: Vec<Group>,
    arrows: BTreeMap<End, BTreeSet<End>>,
    count: usize,
}

impl Draft {
    /// Lets everything in `to` wait for everything in `from`.
    pub(crate) fn arrow(&mut self, from: &Value<'_>, to: &Value<'_>) -> Result<(), String> {
        for from in ends(from)? {
            for to in ends(to)? {
                if self.arrows.entry(to).or_default().insert(from) {
                    self.count += 1;
                }
                if self.count > ARROWS_MAX {
                    return Err(format!("there are more than {ARROWS_MAX} arrows between tasks"));
                }
            }
        }
        Ok(())
    }

    /// What a task or a group waits for, by ids.
    pub(crate) fn upstream(&self, end: End) -> Vec<String> {
        let before = self.arrows.get(&end).into_iter().flatten();
        before.map(|end| self.id(*end)).collect()
    }

    /// The id that a task or a group has in Airflow, with those of the groups around it.
    pub(crate) fn id(&self, end: End) -> String {
        let (name, around) = match end {
            End::Task(task) => (&self.tasks[task].name, self.tasks[task].group),
            End::Group(group) => (&self.groups[group].name, self.groups[group].parent),
        };
        match around {
            Some(around) if self.groups[around].prefixes => format!("{}.{name}", self.id(End::Group(around))),
            _ => name.clone(),
        }
    }

    /// Tasks that name no DAG belong to that of the tasks that they are tied to, as in Airflow.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut found = Vec::new();
            for (to, before) in &self.arrows {
                for from in before {
                    match (self.dag_of(*from), self.dag_of(*to)) {
                        (Some(dag), None) => found.push((*to, dag)),
                        (None, Some(dag)) => found.push((*from, dag)),
                        _ => {}
                    }
                }
            }
            if found.is_empty() {
                return;
            }
            for (end, dag) in found {
                match end {
                    End::Task(task) => self.tasks[task].dag = Some(dag),
                    End::Group(group) => self.groups[group].dag = Some(dag),
                }
            }
        }
    }

    fn dag_of(&self, end: End) -> Option<usize> {
        match end {
            End::Task(task) => self.tasks[task].dag,
            End::Group(group) => self.groups[group].dag,
        }
    }
}

/// The tasks and groups in a value.
fn ends(value: &Value<'_>) -> Result<Vec<End>, String> {
    match value {
        Value::Task(task) => Ok(vec![End::Task(*task)]),
        Value::Output(..) | Value::Derived(..) => Ok(value.sources().iter().copied().map(End::Task).collect()),
        Value::Group(group) => Ok(vec![End::Group(*group)]),
        Value::List(items) | Value::Tuple(items) | Value::Labelled(items) => {
            let all: Result<Vec<Vec<End>>, String> = items.iter().map(ends).collect();
            Ok(all?.concat())
        }
        Value::None => Ok(Vec::new()),
        Value::Unknown(why) => Err(why.reason.clone()),
        _ => Err("an arrow is drawn between tasks, groups and lists of them".to_owned()),
    }
}
