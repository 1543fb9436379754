//! Fills in templates, fetching the XComs that they ask for.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::executor::Order;
use crate::dag::Dag;
use crate::dag::template::{RenderError, TemplateContext, XComs, render_args};
use crate::operator::{ErasedOperator, RunFacts, TaskContext, TaskError, XComReader};
use crate::store::entity::dag_run;

/// Rounds of fetching before a template is given up: each round must bring at least one new value.
const ROUNDS_MAX: usize = 100;

/// The arguments of the task of `order`, ready for its operator.
pub(super) async fn render(
    operator: &ErasedOperator,
    order: &Order,
    ctx: &TaskContext,
) -> Result<Map<String, Value>, TaskError> {
    let task = order.dag.task(order.task);
    let template_context = TemplateContext {
        dag: order.dag.clone(),
        task_id: task.task_id.clone(),
        run_id: order.key.run_id.clone(),
        run: ctx.run.clone(),
        try_number: order.try_number,
        map_index: order.key.map_index,
        now: order.ordered_at,
        callback: None,
    };
    let rendered = with_xcoms(&*ctx.xcom, |xcoms| render_args(operator, &task.args, &template_context, xcoms)).await;
    rendered.map_err(|stuck| match stuck {
        Stuck::Fetching(error) => TaskError::retry(error),
        Stuck::Rendering(error) => TaskError::fail(error),
    })
}

/// Why templates could not be filled in.
pub(super) enum Stuck {
    /// An XCom could not be fetched.
    Fetching(anyhow::Error),
    /// The templates are wrong.
    Rendering(anyhow::Error),
}

/// What `render` makes once it has the XComs that it asks for.
///
/// Rendering is pure, so a template that pulls an XCom stops at it; the value is fetched here, and it is rendered again.
pub(super) async fn with_xcoms<T>(
    reader: &dyn XComReader,
    render: impl Fn(&XComs) -> Result<T, RenderError>,
) -> Result<T, Stuck> {
    let mut xcoms = XComs::new();
    for _ in 0..ROUNDS_MAX {
        match render(&xcoms) {
            Ok(rendered) => return Ok(rendered),
            Err(RenderError::NeedsXCom(wanted)) => {
                for xcom in wanted {
                    let value = reader.pull(&xcom.task_id, &xcom.key).await.map_err(Stuck::Fetching)?;
                    xcoms.insert(xcom, value);
                }
            }
            Err(error @ RenderError::Failed(_)) => return Err(Stuck::Rendering(error.into())),
        }
    }
    Err(Stuck::Rendering(anyhow::anyhow!("the templates never stop asking for XComs")))
}

/// What tasks and callbacks may know of a run.
pub(super) fn run_facts(
    dag: &Dag,
    row: &dag_run::Model,
    started: Option<DateTime<Utc>>,
    params: Map<String, Value>,
) -> RunFacts {
    RunFacts {
        run_type: row.run_type.clone(),
        logical_date: row.logical_date,
        data_interval_start: row.data_interval_start,
        data_interval_end: row.data_interval_end,
        run_after: row.run_after,
        start_date: started,
        conf: row.conf.as_object().cloned().unwrap_or_default(),
        params,
        owner: dag.owner.clone(),
    }
}
