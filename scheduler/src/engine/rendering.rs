//! Fills in the templates of a task's arguments, fetching the XComs that they ask for.

use serde_json::{Map, Value};

use super::executor::Order;
use crate::dag::template::{RenderError, TemplateContext, XComs, render_args};
use crate::operator::{ErasedOperator, TaskContext, TaskError};

/// Rounds of fetching before a template is given up: each round must bring at least one new value.
const ROUNDS_MAX: usize = 100;

/// The arguments of the task of `order`, ready for its operator.
///
/// Rendering is pure, so a template that pulls an XCom stops at it; the value is fetched here, and it is rendered again.
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
    };
    let mut xcoms = XComs::new();
    for _ in 0..ROUNDS_MAX {
        match render_args(operator, &task.args, &template_context, &xcoms) {
            Ok(args) => return Ok(args),
            Err(RenderError::NeedsXCom(wanted)) => {
                for xcom in wanted {
                    let value = ctx.xcom.pull(&xcom.task_id, &xcom.key).await?;
                    xcoms.insert(xcom, value);
                }
            }
            Err(error @ RenderError::Failed(_)) => return Err(TaskError::fail(error)),
        }
    }
    Err(TaskError::fail(anyhow::anyhow!("the templates of task `{}` never stop asking for XComs", task.task_id)))
}
