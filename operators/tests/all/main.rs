//! The operators as the engine sees them: arguments in, files, log and XCom out.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world may panic")]

mod emulation;
mod emulation_s3;
mod moto;
mod sample;
mod support;
