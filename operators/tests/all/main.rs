//! The operators as the engine sees them: arguments in, files, log and XCom out.

mod emulation;
mod emulation_s3;
mod moto;
mod sample;
mod support;
