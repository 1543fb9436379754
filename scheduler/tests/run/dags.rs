//! Small DAGs, made without a file.

use std::sync::Arc;
use std::time::Duration;

use scheduler::dag::{
    AnswerPolicy, Dag, DagHead, DagRunPolicy, PastDependency, Schedule, Task, TaskIndex, TaskRole, TriggerRule,
    WeightRule,
};
use scheduler::run::InstanceIndex;

/// A task called `t0`, `t1`, ….
pub(crate) fn task(id: usize, retries: u32, trigger_rule: TriggerRule) -> Task {
    Task { retries, trigger_rule, ..named(&format!("t{id}")) }
}

/// A task of that name, with Airflow's defaults and a retry delay of a minute.
pub(crate) fn named(task_id: &str) -> Task {
    Task {
        task_id: task_id.to_owned(),
        display_name: None,
        operator: "empty".to_owned(),
        args: serde_json::Map::new(),
        trigger_rule: TriggerRule::AllSuccess,
        role: TaskRole::Work,
        start_date: None,
        end_date: None,
        past: PastDependency::None,
        past_before_skipping: false,
        ignores_first_past: false,
        params: Default::default(),
        group: None,
        mapping: None,
        map_index_template: None,
        retries: 0,
        retry_delay: Duration::from_secs(60),
        retry_exponential_backoff: 0.0,
        max_retry_delay: None,
        retry_policy: Vec::new(),
        execution_timeout: None,
        priority_weight: 1,
        weight_rule: WeightRule::Downstream,
        pool: "default_pool".to_owned(),
        pool_slots: 1,
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
        queue: "default".to_owned(),
        owner: "airflow".to_owned(),
        email: Vec::new(),
        doc_md: None,
        outlets: Vec::new(),
        outlet_aliases: Vec::new(),
        inlets: Vec::new(),
        answer: AnswerPolicy::default(),
        callbacks: Default::default(),
    }
}

/// A head that says as little as it may.
pub(crate) fn head() -> DagHead {
    DagHead {
        dag_id: "random".to_owned(),
        display_name: None,
        description: None,
        doc_md: None,
        schedule: Schedule::Never,
        timezone: chrono_tz::UTC,
        start_date: None,
        end_date: None,
        runs: DagRunPolicy::default(),
        tags: Default::default(),
        owner: "airflow".to_owned(),
        owner_links: Default::default(),
        params: Default::default(),
        default_args: Default::default(),
        template_searchpath: Vec::new(),
        callbacks: Default::default(),
        groups: Vec::new(),
    }
}

/// A DAG of tasks, each with those that it waits for.
pub(crate) fn dag(tasks: Vec<(Task, Vec<String>)>) -> Arc<Dag> {
    Arc::new(Dag::new(head(), tasks).expect("edges only lead from earlier tasks to later ones"))
}

/// The only instance of the first task.
pub(crate) fn only() -> InstanceIndex {
    InstanceIndex::unmapped(TaskIndex::new(0))
}
