//! Streams of Kinesis, through the routes of an API Gateway or as they are; and the operator `kinesis`, which makes, lists,
//! describes and deletes them.
//!
//! | route of the gateway | action |
//! |---|---|
//! | `GET /streams` | ListStreams |
//! | `POST /streams/{stream}` | CreateStream |
//! | `GET /streams/{stream}` | DescribeStream |
//! | `DELETE /streams/{stream}` | DeleteStream |
//! | `PUT /streams/{stream}/record` | PutRecord |
//! | `PUT /streams/{stream}/records` | PutRecords |

mod action;
mod client;
mod failure;
mod operator;

pub(crate) use action::{Action, IteratorAt, Record};
pub(crate) use client::{Door, Streams};
pub(crate) use failure::is_passing;
pub use operator::{Kinesis, KinesisArgs};
