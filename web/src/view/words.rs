//! The closed sets of words of the API.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

// A word is a `tt` and no `literal`: wrapped as a `literal`, the description of the API would not see the renaming.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:tt),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
        pub(crate) enum $name { $(#[serde(rename = $word)] $variant),* }

        #[allow(dead_code, reason = "each set has all, and some need one")]
        impl $name {
            /// Every word.
            pub(crate) const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word.
            pub(crate) fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            /// The member that a stored word means. Another word was not written by us.
            pub(crate) fn read(word: &str) -> Result<$name, ApiError> {
                match word {
                    $($word => Ok($name::$variant),)*
                    other => Err(ApiError::internal(UnknownWord { set: stringify!($name), word: other.to_owned() })),
                }
            }
        }
    };
}

/// A word in the database that is none of the set.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` in the database is no {set}")]
struct UnknownWord {
    set: &'static str,
    word: String,
}

words! {
    /// Where a run stands.
    DagRunState { Queued = "queued", Running = "running", Success = "success", Failed = "failed" }
}

words! {
    /// What a person may make of a run.
    DagRunMutableStates { Queued = "queued", Success = "success", Failed = "failed" }
}

words! {
    /// Why a run exists.
    DagRunType {
        Backfill = "backfill",
        Scheduled = "scheduled",
        Manual = "manual",
        OperatorTriggered = "operator_triggered",
        AssetTriggered = "asset_triggered",
        AssetMaterialization = "asset_materialization",
    }
}

words! {
    /// Through what a run was triggered.
    DagRunTriggeredByType {
        Cli = "cli",
        Operator = "operator",
        RestApi = "rest_api",
        Ui = "ui",
        Test = "test",
        Timetable = "timetable",
        Asset = "asset",
        Backfill = "backfill",
    }
}

words! {
    /// Where a task instance stands; before its turn it has no state.
    TaskInstanceState {
        Removed = "removed",
        Scheduled = "scheduled",
        Queued = "queued",
        Running = "running",
        Success = "success",
        Restarting = "restarting",
        Failed = "failed",
        UpForRetry = "up_for_retry",
        UpForReschedule = "up_for_reschedule",
        UpstreamFailed = "upstream_failed",
        Skipped = "skipped",
        Deferred = "deferred",
        AwaitingInput = "awaiting_input",
    }
}

words! {
    /// What is amiss with a DAG. Only the pools that are missing are looked for.
    DagWarningType {
        AssetConflict = "asset conflict",
        NonExistentPool = "non-existent pool",
        RuntimeVaryingValue = "runtime varying value",
    }
}
