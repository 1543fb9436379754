//! The kinds of runs, as words of Airflow.

/// Why a run exists (Airflow 3: DagRunType).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunType {
    /// Its time came.
    Scheduled,
    /// Somebody asked for it.
    Manual,
    /// It is part of a backfill.
    Backfill,
    /// A task of another DAG triggered it.
    OperatorTriggered,
    /// Assets were updated.
    AssetTriggered,
    /// Somebody asked for an asset to be made.
    AssetMaterialization,
}

impl RunType {
    /// All types.
    pub const ALL: [RunType; 6] = [
        RunType::Scheduled,
        RunType::Manual,
        RunType::Backfill,
        RunType::OperatorTriggered,
        RunType::AssetTriggered,
        RunType::AssetMaterialization,
    ];

    /// Airflow's word, which begins the run ids of this type.
    pub fn word(self) -> &'static str {
        match self {
            RunType::Scheduled => "scheduled",
            RunType::Manual => "manual",
            RunType::Backfill => "backfill",
            RunType::OperatorTriggered => "operator_triggered",
            RunType::AssetTriggered => "asset_triggered",
            RunType::AssetMaterialization => "asset_materialization",
        }
    }

    /// The type that goes by a word.
    pub fn called(word: &str) -> Option<RunType> {
        RunType::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
