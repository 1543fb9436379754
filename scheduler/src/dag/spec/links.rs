//! From the names in `dependencies`, `setups` and mappings to edges between tasks.
//!
//! A name means, in this order: the task or group with that id; one that is called so in the same group, or in a group
//! around it; the only one that is called so at all. A group stands for its last tasks where something waits for it, and
//! for its first ones where it waits (Airflow 3: leaves and roots).

use std::collections::{HashMap, HashSet};

use super::collect::Problems;
use super::problem::{Code, Problem};
use super::read_groups::Groups;
use super::read_task::ReadTask;
use super::source::Place;
use super::suggest::did_you_mean;
use crate::dag::{MappedValues, TaskRole};

/// Groups that wait for each other multiply; what a hostile file could make of that must end somewhere.
const EDGES_MAX: usize = 1_000_000;

/// Among more ids than that nearly every word is close to some other, and looking takes long.
const COMPARED_IDS_MAX: usize = 2_000;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Target {
    Task(usize),
    Group(usize),
}

/// One thing waits for another.
#[derive(Clone, Copy, Debug)]
struct Link {
    from: Target,
    to: Target,
    place: Place,
}

/// Finds out what every name means; afterwards all dependencies of tasks are ids of tasks, save for those that are wrong.
pub(super) fn resolve(tasks: &mut [ReadTask], groups: &mut Groups, problems: &mut Problems) {
    let names = Names::of(tasks, groups, problems);
    let mut links = Vec::new();
    let mut setups = Vec::new();
    let mut unknown = Vec::new();
    let mut sources: Vec<(Target, Vec<String>)> = Vec::new();
    for (index, task) in tasks.iter().enumerate() {
        let waits =
            Waits { names: &names, groups, of: Target::Task(index), scope: task.group, subject: task.subject() };
        for (name, place) in &task.dependencies {
            match waits.target(name, *place) {
                Ok(Some(from)) => links.push(Link { from, to: waits.of, place: *place }),
                // The graph itself complains about names that are no tasks.
                Ok(None) => unknown.push((index, (name.clone(), *place))),
                Err(problem) => problems.push(problem),
            }
        }
        for (name, place) in &task.setups {
            if let Some(setup) = problems.keep(waits.task(name, *place, tasks)) {
                links.push(Link { from: Target::Task(setup), to: waits.of, place: *place });
                setups.push(setup);
            }
        }
        sources.extend(waits.sources(task.mapping.iter().flat_map(|read| &read.sources), tasks, &mut links, problems));
    }
    for (index, group) in groups.list.iter().enumerate() {
        let subject = format!("group `{}`", group.id);
        let waits = Waits { names: &names, groups, of: Target::Group(index), scope: group.parent, subject };
        for (name, place) in &group.dependencies {
            match waits.target(name, *place) {
                Ok(Some(from)) => links.push(Link { from, to: waits.of, place: *place }),
                Ok(None) => problems.push(waits.unknown(name, *place)),
                Err(problem) => problems.push(problem),
            }
        }
        sources.extend(waits.sources(group.mapping.iter().flat_map(|read| &read.sources), tasks, &mut links, problems));
    }
    for setup in setups {
        tasks[setup].task.role = match tasks[setup].task.role {
            TaskRole::Work | TaskRole::Setup => TaskRole::Setup,
            teardown @ TaskRole::Teardown { .. } => teardown,
        };
    }
    let edges = Expansion { tasks, groups, links: &links }.edges(problems);
    for task in tasks.iter_mut() {
        task.dependencies.clear();
    }
    for (from, to, place) in edges {
        let id = tasks[from].task.task_id.clone();
        tasks[to].dependencies.push((id, place));
    }
    for (task, dependency) in unknown {
        tasks[task].dependencies.push(dependency);
    }
    for (of, ids) in sources {
        let read = match of {
            Target::Task(task) => tasks[task].mapping.as_mut(),
            Target::Group(group) => groups.list[group].mapping.as_mut(),
        };
        let named = read.into_iter().flat_map(|read| read.mapping.values_mut()).filter_map(|values| match values {
            MappedValues::Output { task_id, .. } => Some(task_id),
            MappedValues::Literal(_) => None,
        });
        for (task_id, id) in named.zip(ids) {
            *task_id = id;
        }
    }
}

/// What is called how.
struct Names {
    by_id: HashMap<String, Target>,
    by_name: HashMap<String, Vec<Target>>,
    siblings: HashMap<(Option<usize>, String), Target>,
    /// The id of each, and the group around it.
    known: HashMap<Target, (String, Option<usize>)>,
}

impl Names {
    fn of(tasks: &[ReadTask], groups: &Groups, problems: &mut Problems) -> Names {
        let mut names =
            Names { by_id: HashMap::new(), by_name: HashMap::new(), siblings: HashMap::new(), known: HashMap::new() };
        let mut places: HashMap<&str, (Place, &str)> = HashMap::new();
        for (index, group) in groups.list.iter().enumerate() {
            names.add(Target::Group(index), &group.id, &group.name, group.parent);
            if let Some((first, _)) = places.insert(&group.id, (group.name_place, "group")) {
                problems.push(taken(&group.id, "group", first, "group", group.name_place));
            }
        }
        for (index, read) in tasks.iter().enumerate() {
            let id = &read.task.task_id;
            names.add(Target::Task(index), id, &read.name, read.group);
            if let Some((group, what)) = places.get(id.as_str()) {
                problems.push(taken(id, what, *group, "task", read.id_place));
            }
        }
        names
    }

    fn add(&mut self, target: Target, id: &str, name: &str, scope: Option<usize>) {
        self.by_id.entry(id.to_owned()).or_insert(target);
        self.by_name.entry(name.to_owned()).or_default().push(target);
        self.siblings.entry((scope, name.to_owned())).or_insert(target);
        self.known.insert(target, (id.to_owned(), scope));
    }
}

fn taken(id: &str, what: &str, first: Place, other: &str, again: Place) -> Problem {
    let message = if what == other {
        format!("group `{id}` is defined twice")
    } else {
        format!("a group and a task are both called `{id}`")
    };
    Problem::new(Code::DuplicateTask, message, again, format!("the {other}")).also(first, format!("the {what}"))
}

/// A task or a group that waits.
struct Waits<'a> {
    names: &'a Names,
    groups: &'a Groups,
    of: Target,
    scope: Option<usize>,
    /// "task `load`".
    subject: String,
}

impl Waits<'_> {
    /// What a name means; none when it means nothing.
    fn target(&self, name: &str, place: Place) -> Result<Option<Target>, Problem> {
        let Some(found) = self.find(name, place)? else { return Ok(None) };
        let lies_in = |inner: Target, outer: Target| match (inner, outer) {
            (Target::Task(_), Target::Group(group)) => self.groups.is_within(self.scope_of(inner), group),
            (Target::Group(inner), Target::Group(outer)) => self.groups.is_within(Some(inner), outer),
            (_, Target::Task(_)) => false,
        };
        if lies_in(self.of, found) || lies_in(found, self.of) {
            let message = format!("{} waits for `{name}`, and one of them is in the other", self.subject);
            return Err(Problem::new(Code::Cycle, message, place, "can never start"));
        }
        Ok(Some(found))
    }

    fn scope_of(&self, target: Target) -> Option<usize> {
        if target == self.of {
            return self.scope;
        }
        self.names.known.get(&target).and_then(|(_, scope)| *scope)
    }

    fn find(&self, name: &str, place: Place) -> Result<Option<Target>, Problem> {
        if let Some(found) = self.names.by_id.get(name) {
            return Ok(Some(*found));
        }
        for scope in self.groups.around(self.scope).map(Some).chain([None]) {
            if let Some(found) = self.names.siblings.get(&(scope, name.to_owned())) {
                return Ok(Some(*found));
            }
        }
        match self.names.by_name.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([only]) => Ok(Some(*only)),
            Some(several) => {
                let mut ids: Vec<String> = several.iter().map(|one| format!("`{}`", self.names.known[one].0)).collect();
                ids.sort();
                let message = format!("{} depends on `{name}`, and there are several of that name", self.subject);
                Err(Problem::new(Code::UnknownDependency, message, place, "which one?")
                    .help(format!("write the id of one: {}", ids.join(", "))))
            }
        }
    }

    /// The task that a name means.
    fn task(&self, name: &str, place: Place, tasks: &[ReadTask]) -> Result<usize, Problem> {
        match self.target(name, place)? {
            Some(Target::Task(task)) if self.of != Target::Task(task) && task < tasks.len() => Ok(task),
            Some(_) => {
                let message = format!("{} needs a task, and `{name}` is not one that it can wait for", self.subject);
                Err(Problem::new(Code::UnknownDependency, message, place, "not a task before it"))
            }
            None => Err(self.unknown(name, place)),
        }
    }

    fn unknown(&self, name: &str, place: Place) -> Problem {
        let message = format!("{} depends on `{name}`, which is neither a task nor a group of this DAG", self.subject);
        let mut known: Vec<&str> = Vec::new();
        if self.names.by_id.len() <= COMPARED_IDS_MAX {
            known.extend(self.names.by_id.keys().map(String::as_str));
            known.sort_unstable();
        }
        Problem::new(Code::UnknownDependency, message, place, "no such task").maybe_help(did_you_mean(name, known))
    }

    /// The ids of the tasks that leave what is mapped over; none when one of them is wrong.
    fn sources<'t>(
        &self,
        written: impl Iterator<Item = &'t (String, Place)>,
        tasks: &[ReadTask],
        links: &mut Vec<Link>,
        problems: &mut Problems,
    ) -> Option<(Target, Vec<String>)> {
        let mut ids = Vec::new();
        for (name, place) in written {
            let task = problems.keep(self.task(name, *place, tasks))?;
            links.push(Link { from: Target::Task(task), to: self.of, place: *place });
            ids.push(tasks[task].task.task_id.clone());
        }
        (!ids.is_empty()).then_some((self.of, ids))
    }
}

/// Links between groups become edges between their tasks.
struct Expansion<'a> {
    tasks: &'a [ReadTask],
    groups: &'a Groups,
    links: &'a [Link],
}

impl Expansion<'_> {
    fn edges(&self, problems: &mut Problems) -> Vec<(usize, usize, Place)> {
        let ends = self.ends();
        let mut edges = Vec::new();
        for link in self.links {
            let of = |target: Target, ends: &[Vec<usize>]| match target {
                Target::Task(task) => vec![task],
                Target::Group(group) => ends[group].clone(),
            };
            let (before, after) = (of(link.from, &ends.leaves), of(link.to, &ends.roots));
            if edges.len().saturating_add(before.len().saturating_mul(after.len())) > EDGES_MAX {
                let message = format!("groups that wait for each other make more than {EDGES_MAX} dependencies");
                problems.push(
                    Problem::new(Code::TooLarge, message, link.place, "the limit is passed here")
                        .help("put an `empty` task between them"),
                );
                break;
            }
            if before.is_empty() || after.is_empty() {
                let group = if before.is_empty() { link.from } else { link.to };
                problems.push(self.nothing_in(group, link.place));
            }
            for &from in &before {
                edges.extend(after.iter().map(|&to| (from, to, link.place)));
            }
        }
        edges
    }

    fn nothing_in(&self, target: Target, place: Place) -> Problem {
        let id = match target {
            Target::Task(task) => &self.tasks[task].task.task_id,
            Target::Group(group) => &self.groups.list[group].id,
        };
        Problem::new(Code::UnknownDependency, format!("there is no task in group `{id}` to wait with"), place, "empty")
            .help("put tasks into it with `task_group_name`, or take the dependency away")
    }

    /// The first and the last tasks of each group. Teardowns are never the last ones (Airflow 3: `get_leaves`).
    fn ends(&self) -> Ends {
        let mut ends =
            Ends { roots: vec![Vec::new(); self.groups.list.len()], leaves: vec![Vec::new(); self.groups.list.len()] };
        if self.groups.list.is_empty() {
            return ends;
        }
        // Up to which group something before, or after, a target lies with it; the outermost counts.
        let mut entered: HashSet<(Target, usize)> = HashSet::new();
        let mut left: HashSet<(Target, usize)> = HashSet::new();
        for link in self.links {
            let common: HashSet<usize> = self.groups.around(self.scope(link.from)).collect();
            for group in self.groups.around(self.scope(link.to)).filter(|group| common.contains(group)) {
                entered.insert((link.to, group));
                if !self.is_teardown(link.to) {
                    left.insert((link.from, group));
                }
            }
        }
        for (index, read) in self.tasks.iter().enumerate() {
            let mut inner = vec![Target::Task(index)];
            for group in self.groups.around(read.group) {
                let within =
                    |ways: &HashSet<(Target, usize)>| inner.iter().any(|target| ways.contains(&(*target, group)));
                if !within(&entered) {
                    ends.roots[group].push(index);
                }
                if !within(&left) && !self.is_teardown(Target::Task(index)) {
                    ends.leaves[group].push(index);
                }
                inner.push(Target::Group(group));
            }
        }
        ends
    }

    fn scope(&self, target: Target) -> Option<usize> {
        match target {
            Target::Task(task) => self.tasks[task].group,
            Target::Group(group) => self.groups.list[group].parent,
        }
    }

    fn is_teardown(&self, target: Target) -> bool {
        matches!(target, Target::Task(task) if matches!(self.tasks[task].task.role, TaskRole::Teardown { .. }))
    }
}

/// The tasks at both ends of each group.
struct Ends {
    roots: Vec<Vec<usize>>,
    leaves: Vec<Vec<usize>>,
}
