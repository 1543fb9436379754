//! The operators as the engine sees them: arguments in, files, log and XCom out.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test that cannot set up its world may panic")]

mod cases;
mod clean_input;
mod clean_output;
mod cleaning;
mod connections;
mod context;
mod databases;
mod databricks;
mod emulation;
mod emulation_s3;
mod expectations;
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
mod streaming;
mod streams;
mod support;
mod vacuum;
mod variants;
