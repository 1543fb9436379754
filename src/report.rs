//! What a person reads when something failed: the only place that prints errors.

use std::process::ExitCode;

use scheduler::control::ControlError;
use scheduler::engine::EngineError;
use scheduler::sources::folder::FolderError;
use scheduler::store::StoreError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: it was done.
    Done,
    /// 1: it was done, and a run failed.
    RunFailed,
    /// 2: the input was wrong, and that has been said.
    BadInput,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::RunFailed => 1,
            Status::BadInput => 2,
        })
    }
}

/// Exit code 3: Updraft itself failed, or what it stands on did.
const OWN_FAILURE: u8 = 3;

/// What the person typed, or the files that they named, are wrong.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BadInput {
    message: String,
    hint: Option<String>,
}

impl BadInput {
    /// Says what is wrong, in lower case and without a full stop.
    pub fn new(message: impl Into<String>) -> BadInput {
        BadInput { message: message.into(), hint: None }
    }

    /// Adds what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> BadInput {
        self.hint = Some(hint.into());
        self
    }
}

/// Prints an error with its causes and a hint, and says with which code to exit.
#[expect(clippy::print_stderr, reason = "the one place that prints errors")]
pub fn failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    if let Some(hint) = hint(error) {
        eprintln!("\nhint: {hint}");
    }
    if is_bad_input(error) { Status::BadInput.into() } else { ExitCode::from(OWN_FAILURE) }
}

fn is_bad_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<BadInput>()
            || matches!(
                cause.downcast_ref::<ControlError>(),
                Some(
                    ControlError::NotFound { .. }
                        | ControlError::Conflict(_)
                        | ControlError::Invalid(_)
                        | ControlError::Forbidden(_)
                )
            )
            || matches!(store_error(cause), Some(StoreError::NotFound { .. }))
    })
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| match cause.downcast_ref::<BadInput>() {
        Some(input) => input.hint.clone(),
        None => of_store(store_error(cause)?),
    })
}

/// What the store said, also where an error only passes it on.
fn store_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a StoreError> {
    if let Some(ControlError::Store(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(EngineError::Store(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(FolderError::Store(error)) = cause.downcast_ref() {
        return Some(error);
    }
    cause.downcast_ref()
}

fn of_store(error: &StoreError) -> Option<String> {
    let hint = match error {
        StoreError::Newer(_) => "install the newer version of Updraft, or use another database",
        StoreError::Unavailable(_) => "check UPDRAFT_DATABASE_URL, and that the database server is up",
        StoreError::Locked(_) => "stop the other process, or wait until it is done",
        StoreError::Full(_) => "make room on it, or use another with --home or --database-url",
        StoreError::Unwritable(_) => {
            "look for a quota, a limit on the size of files (`ulimit -f`), or a read-only mount"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
