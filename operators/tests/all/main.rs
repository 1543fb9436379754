//! The operators as the engine sees them: arguments in, files, log and XCom out.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test that cannot set up its world may panic")]

mod cases;
mod cleaning;
mod connections;
mod context;
mod databricks;
mod databases;
mod emulation;
mod emulation_s3;
mod full_disk;
mod gateway;
mod golden;
mod kafka;
mod lake;
mod mailbox;
mod mariadb;
mod moto;
mod notifiers;
mod offsets;
mod posting;
mod proxy;
mod python;
mod queries;
mod receiver;
mod reference;
mod s3;
mod sample;
mod secrets;
mod sensors;
mod sources;
mod spark_answers;
mod streams;
mod support;
mod vacuum;
