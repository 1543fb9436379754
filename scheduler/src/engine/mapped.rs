//! What one instance of a mapped task is given: its element of what is mapped over.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::executor::Order;
use crate::dag::{MappedValues, Mapping};
use crate::operator::{TaskContext, TaskError};

/// The arguments that an instance gets from what it is mapped over.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// As the DAG file has them, which may hold templates.
    pub written: Map<String, Value>,
    /// As another task left them, which is data and never a template.
    pub left: Map<String, Value>,
    /// Of how many elements it is one; none when the task is not mapped.
    pub of: Option<usize>,
}

impl Element {
    /// All of them, for `{{ mapped.… }}`.
    pub fn values(&self) -> Map<String, Value> {
        self.written.iter().chain(&self.left).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The element of the instance that `order` is about; empty when its task is not mapped.
pub(super) async fn element(order: &Order, ctx: &TaskContext) -> Result<Element, TaskError> {
    let (Some(mapping), Ok(index)) = (order.around.dag.mapping(order.at.task), usize::try_from(order.at.map_index))
    else {
        return Ok(Element::default());
    };
    match mapping {
        Mapping::Product(arguments) => product(arguments, index, ctx).await,
        Mapping::Kwargs(values) => {
            let items = Items::of(values, ctx).await?;
            let of = Some(items.as_slice().len());
            let Value::Object(arguments) = items.as_slice().get(index).ok_or_else(shrunk)? else {
                return Err(TaskError::fail(anyhow::anyhow!(
                    "item {index} of `expand_kwargs` is no mapping of arguments"
                )));
            };
            Ok(Element { of, ..items.sorted(arguments.clone()) })
        }
    }
}

/// The last argument changes fastest (Airflow 3: cross product).
async fn product(arguments: &[(String, MappedValues)], index: usize, ctx: &TaskContext) -> Result<Element, TaskError> {
    let mut element = Element::default();
    let (mut rest, mut of) = (index, 1_usize);
    for (name, values) in arguments.iter().rev() {
        let items = Items::of(values, ctx).await?;
        let count = items.as_slice().len();
        let value = items.as_slice().get(rest % count.max(1)).cloned().ok_or_else(shrunk)?;
        rest /= count;
        of = of.saturating_mul(count);
        let Element { written, left, .. } = items.sorted(Map::from_iter([(name.clone(), value)]));
        element.written.extend(written);
        element.left.extend(left);
    }
    if rest == 0 { Ok(Element { of: Some(of), ..element }) } else { Err(shrunk()) }
}

/// What a task is mapped over.
enum Items<'a> {
    Written(&'a [Value]),
    Left(Arc<Vec<Value>>),
}

impl Items<'_> {
    async fn of<'a>(values: &'a MappedValues, ctx: &TaskContext) -> Result<Items<'a>, TaskError> {
        let (task_id, key) = match values {
            MappedValues::Literal(items) => return Ok(Items::Written(items)),
            MappedValues::Output { task_id, key } => (task_id, key),
        };
        ctx.xcom.pull_items(task_id, key).await?.map(Items::Left).ok_or_else(|| {
            TaskError::fail(anyhow::anyhow!("task `{task_id}` left neither a list nor a mapping under `{key}`"))
        })
    }

    fn as_slice(&self) -> &[Value] {
        match self {
            Items::Written(items) => items,
            Items::Left(items) => items,
        }
    }

    /// Arguments of an item, by where they come from.
    fn sorted(&self, arguments: Map<String, Value>) -> Element {
        match self {
            Items::Written(_) => Element { written: arguments, ..Element::default() },
            Items::Left(_) => Element { left: arguments, ..Element::default() },
        }
    }
}

fn shrunk() -> TaskError {
    TaskError::fail(anyhow::anyhow!("what it is mapped over has fewer items than when it was expanded"))
}
