//! What one instance of a mapped task is given: its element of what is mapped over.

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
            let items = items(values, ctx).await?;
            let of = Some(items.len());
            let Value::Object(arguments) = items.into_iter().nth(index).ok_or_else(shrunk)? else {
                return Err(TaskError::fail(anyhow::anyhow!(
                    "item {index} of `expand_kwargs` is no mapping of arguments"
                )));
            };
            Ok(Element { of, ..sorted(values, arguments) })
        }
    }
}

/// The last argument changes fastest (Airflow 3: cross product).
async fn product(arguments: &[(String, MappedValues)], index: usize, ctx: &TaskContext) -> Result<Element, TaskError> {
    let mut element = Element::default();
    let (mut rest, mut of) = (index, 1_usize);
    for (name, values) in arguments.iter().rev() {
        let items = items(values, ctx).await?;
        let value = items.get(rest % items.len().max(1)).cloned().ok_or_else(shrunk)?;
        rest /= items.len();
        of = of.saturating_mul(items.len());
        let Element { written, left, .. } = sorted(values, Map::from_iter([(name.clone(), value)]));
        element.written.extend(written);
        element.left.extend(left);
    }
    if rest == 0 { Ok(Element { of: Some(of), ..element }) } else { Err(shrunk()) }
}

fn sorted(values: &MappedValues, arguments: Map<String, Value>) -> Element {
    match values {
        MappedValues::Literal(_) => Element { written: arguments, ..Element::default() },
        MappedValues::Output { .. } => Element { left: arguments, ..Element::default() },
    }
}

async fn items(values: &MappedValues, ctx: &TaskContext) -> Result<Vec<Value>, TaskError> {
    let (task_id, key) = match values {
        MappedValues::Literal(items) => return Ok(items.clone()),
        MappedValues::Output { task_id, key } => (task_id, key),
    };
    match ctx.xcom.pull(task_id, key).await? {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Object(pairs)) => {
            Ok(pairs.into_iter().map(|(name, value)| Value::Array(vec![Value::from(name), value])).collect())
        }
        _ => Err(TaskError::fail(anyhow::anyhow!("task `{task_id}` left neither a list nor a mapping under `{key}`"))),
    }
}

fn shrunk() -> TaskError {
    TaskError::fail(anyhow::anyhow!("what it is mapped over has fewer items than when it was expanded"))
}
