//! `s3`: works on the objects of buckets, at Amazon's or at any server that speaks as S3 does.
//!
//! ```yaml
//! - task_id: publish
//!   operator: s3
//!   action: sync
//!   source: lake/answers
//!   target: s3://reports/answers
//!   delete_extra: true
//! ```
//!
//! [`args`]: the actions, and which arguments each takes. [`place`]: which object or file a text means. [`requests`]: what a
//! bucket is asked with signed requests of our own. [`objects`]: one object. [`listing`]: the objects below a prefix.
//! [`sync`]: two folders made alike.

mod args;
mod listing;
mod objects;
mod operator;
mod place;
mod requests;
mod sync;

pub use args::S3Args;
pub(crate) use listing::objects_below;
pub use operator::S3Operator;
pub(crate) use place::{ObjectPlace, reached};
