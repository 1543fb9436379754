//! The operators as the engine sees them: arguments in, files, log and XCom out.

mod support;
