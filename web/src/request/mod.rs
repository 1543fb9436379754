//! What comes in: query strings, path segments and bodies, read so that a fault names its place (Airflow 3: pydantic).

mod body;
mod bulk;
mod describe;
mod path;
mod query;

pub(crate) use body::{Fields, FromFields, JsonBody, JsonBodyOrNone, read_body};
pub(crate) use bulk::{BulkAction, BulkBody, Entity, OnExistence, OnNonExistence};
pub(crate) use describe::{Described, MapIndexParam};
pub(crate) use path::UrlPath;
pub(crate) use query::{Order, Query, order};
