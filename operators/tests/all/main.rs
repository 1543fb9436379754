//! The operators as the engine sees them: arguments in, files, log and XCom out.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test that cannot set up its world may panic")]

mod cases;
mod cleaning;
mod context;
mod emulation;
mod emulation_s3;
mod full_disk;
mod golden;
mod lake;
mod mailbox;
mod moto;
mod notifiers;
mod python;
mod queries;
mod receiver;
mod reference;
mod s3;
mod sample;
mod sensors;
mod support;
mod vacuum;
