//! Fills in the templates of a task's arguments, fetching the XComs that they ask for.

use serde_json::{Map, Value};

use super::executor::Order;
use super::mapped::{self, Element};
use crate::dag::template::{RenderError, TemplateContext, XComs, render_args, render_text};
use crate::operator::{ErasedOperator, TaskContext, TaskError};

/// Rounds of fetching before a template is given up: each round must bring at least one new value.
const ROUNDS_MAX: usize = 100;

/// The arguments of the task of `order`, ready for its operator; and the name of the instance when it is a mapped one.
///
/// Rendering is pure, so a template that pulls an XCom stops at it; the value is fetched here, and it is rendered again.
/// What other tasks left is data: mapped over, it goes into the arguments after the templates were filled in.
pub(super) async fn render(
    operator: &ErasedOperator,
    order: &Order,
    ctx: &TaskContext,
) -> Result<(Map<String, Value>, Option<String>), TaskError> {
    let task = order.dag.task(order.at.task);
    let element = mapped::element(order, ctx).await?;
    let context = TemplateContext {
        dag: order.dag.clone(),
        task_id: task.task_id.clone(),
        run_id: order.key.run_id.clone(),
        run: ctx.run.clone(),
        try_number: order.try_number,
        map_index: order.key.map_index,
        mapped: element.values(),
        now: order.ordered_at,
    };
    let Element { written, left } = if task.mapping.is_some() { element } else { Element::default() };
    let mut templates = task.args.clone();
    templates.extend(written);
    let mut args = fetching(ctx, |xcoms| render_args(operator, &templates, &context, xcoms)).await?;
    args.extend(left);
    let label = match &task.map_index_template {
        Some(template) if order.key.map_index >= 0 => {
            Some(fetching(ctx, |xcoms| render_text(template, &context, xcoms)).await?)
        }
        _ => None,
    };
    Ok((args, label))
}

/// Renders again and again, each time with the XComs for which the time before asked.
async fn fetching<T>(ctx: &TaskContext, render: impl Fn(&XComs) -> Result<T, RenderError>) -> Result<T, TaskError> {
    let mut xcoms = XComs::new();
    for _ in 0..ROUNDS_MAX {
        match render(&xcoms) {
            Ok(rendered) => return Ok(rendered),
            Err(RenderError::NeedsXCom(wanted)) => {
                for xcom in wanted {
                    let value = ctx.xcom.pull(&xcom.task_id, &xcom.key).await?;
                    xcoms.insert(xcom, value);
                }
            }
            Err(error @ RenderError::Failed(_)) => return Err(TaskError::fail(error)),
        }
    }
    Err(TaskError::fail(anyhow::anyhow!("the templates of task `{}` never stop asking for XComs", ctx.key.task_id)))
}
