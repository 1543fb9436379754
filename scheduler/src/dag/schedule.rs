//! When runs of a DAG are due, as written. [`crate::dag::timetable`] computes with it.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::asset::AssetExpression;
use super::partition::KeyFormat;
use super::period::Period;

/// When runs of a DAG are due.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Only when somebody triggers it.
    Never,
    /// When its time has come.
    Time(TimeSchedule),
    /// When assets were updated (Airflow 3: `AssetTriggeredTimetable`).
    Assets(AssetExpression),
    /// When parts of assets with the same key were updated (Airflow 3: `PartitionedAssetTimetable`, `IdentityMapper`).
    PartitionedAssets(AssetExpression),
    /// Either (Airflow 3: `AssetOrTimeSchedule`).
    AssetsOrTime {
        /// When these were updated.
        assets: AssetExpression,
        /// And when its time has come.
        time: TimeSchedule,
    },
}

/// Schedules that go by the clock.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeSchedule {
    /// Once, at the start date.
    Once,
    /// Again as soon as the run before has ended.
    Continuous,
    /// At the ticks of cron expressions (Airflow 3: `CronTriggerTimetable`, `MultipleCronTriggerTimetable`).
    Cron(CronTrigger),
    /// At the ticks of a cron expression, each run about the time since the tick before (Airflow 3:
    /// `CronDataIntervalTimetable`).
    CronInterval(String),
    /// At the ticks of a cron expression, each run about the partition of a tick (Airflow 3: `CronPartitionTimetable`).
    CronPartition(CronPartition),
    /// Every so often (Airflow 3: `DeltaTriggerTimetable`).
    Delta(DeltaTrigger),
    /// Every so often, each run about the time since the one before (Airflow 3: `DeltaDataIntervalTimetable`).
    DeltaInterval(Period),
    /// At given instants (Airflow 3: `EventsTimetable`).
    Events(Events),
}

/// Runs at the ticks of cron expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronTrigger {
    /// The expressions, at least one: 5, 6 or 7 fields, or a preset such as `@daily`.
    pub expressions: Vec<String>,
    /// How far back from its tick a run's data interval reaches; of no length when absent.
    pub interval: Option<Period>,
    /// What becomes of the tick before the DAG appeared, when there is no start date.
    pub run_immediately: RunImmediately,
}

/// Runs at the ticks of a cron expression, each about a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronPartition {
    /// 5, 6 or 7 fields, or a preset such as `@daily`.
    pub expression: String,
    /// How many ticks after its own the partition of a run is; before it, when this is less than 0.
    pub run_offset: i32,
    /// How the keys of partitions are written.
    pub key_format: KeyFormat,
    /// What becomes of the tick before the DAG appeared, when there is no start date.
    pub run_immediately: RunImmediately,
}

/// Whether a new DAG without a start date makes up for the tick that was before it (Airflow 3: `run_immediately`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunImmediately {
    /// If it was missed by no more than a tenth of the time between ticks, or five minutes.
    #[default]
    IfJustMissed,
    /// If it was missed by no more than that.
    Within(Duration),
    /// In any case.
    Always,
}

/// Runs every so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaTrigger {
    /// How far apart.
    pub every: Period,
    /// How far back from its time a run's data interval reaches; of no length when absent.
    pub interval: Option<Period>,
    /// Whether runs keep to the rhythm of the start date, or of the first run, when one of them comes late. Airflow's do
    /// not: the next one is counted from the late one.
    pub keep_phase: bool,
}

/// Runs at given instants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The instants, in order, each once.
    pub dates: Vec<DateTime<Utc>>,
    /// Whether a run that somebody asks for is about the latest of them, rather than about the present.
    pub restrict_to_events: bool,
    /// What people call them.
    pub description: Option<String>,
}

impl CronTrigger {
    /// Runs at the ticks of one expression, with nothing special about them.
    pub fn new(expression: impl Into<String>) -> CronTrigger {
        CronTrigger {
            expressions: vec![expression.into()],
            interval: None,
            run_immediately: RunImmediately::IfJustMissed,
        }
    }
}

impl From<CronTrigger> for Schedule {
    fn from(cron: CronTrigger) -> Schedule {
        Schedule::Time(TimeSchedule::Cron(cron))
    }
}

impl Schedule {
    /// What it waits for beside the clock.
    pub fn assets(&self) -> Option<&AssetExpression> {
        match self {
            Schedule::Assets(assets) | Schedule::PartitionedAssets(assets) | Schedule::AssetsOrTime { assets, .. } => {
                Some(assets)
            }
            Schedule::Never | Schedule::Time(_) => None,
        }
    }

    /// When its time comes, if it says so.
    pub fn time(&self) -> Option<&TimeSchedule> {
        match self {
            Schedule::Time(time) | Schedule::AssetsOrTime { time, .. } => Some(time),
            Schedule::Never | Schedule::Assets(_) | Schedule::PartitionedAssets(_) => None,
        }
    }

    /// As DAG files write it.
    pub fn document(&self) -> Value {
        match self {
            Schedule::Never => Value::Null,
            Schedule::Time(time) => time.document(),
            // A bare text would be taken for a cron expression.
            Schedule::Assets(AssetExpression::Asset(asset)) => asset.mapping(),
            Schedule::Assets(assets) => assets.document(),
            Schedule::PartitionedAssets(assets) => json!({ "assets": assets.document(), "partitioned": true }),
            Schedule::AssetsOrTime { assets, time } => json!({ "assets": assets.document(), "time": time.document() }),
        }
    }
}

impl TimeSchedule {
    fn document(&self) -> Value {
        match self {
            TimeSchedule::Once => json!("@once"),
            TimeSchedule::Continuous => json!("@continuous"),
            TimeSchedule::Cron(cron) => cron.document(),
            TimeSchedule::CronInterval(expression) => json!({ "cron": expression, "data_interval": true }),
            TimeSchedule::CronPartition(partition) => partition.document(),
            TimeSchedule::Delta(delta) => delta.document(),
            TimeSchedule::DeltaInterval(every) => json!({ "every": every.to_string(), "data_interval": true }),
            TimeSchedule::Events(events) => events.document(),
        }
    }
}

impl CronTrigger {
    fn document(&self) -> Value {
        let mut entries = Map::new();
        put_interval(&mut entries, self.interval.as_ref());
        put_run_immediately(&mut entries, self.run_immediately);
        match self.expressions.as_slice() {
            [only] if entries.is_empty() => return json!(only),
            [only] => entries.insert("cron".to_owned(), json!(only)),
            several => entries.insert("crons".to_owned(), json!(several)),
        };
        Value::Object(entries)
    }
}

impl CronPartition {
    fn document(&self) -> Value {
        let mut entries = Map::new();
        entries.insert("cron".to_owned(), json!(self.expression));
        entries.insert("key_format".to_owned(), json!(self.key_format.as_str()));
        if self.run_offset != 0 {
            entries.insert("run_offset".to_owned(), json!(self.run_offset));
        }
        put_run_immediately(&mut entries, self.run_immediately);
        Value::Object(entries)
    }
}

impl DeltaTrigger {
    fn document(&self) -> Value {
        let mut entries = Map::new();
        put_interval(&mut entries, self.interval.as_ref());
        if self.keep_phase {
            entries.insert("keep_phase".to_owned(), json!(true));
        }
        if entries.is_empty() {
            return json!(self.every.to_string());
        }
        entries.insert("every".to_owned(), json!(self.every.to_string()));
        Value::Object(entries)
    }
}

impl Events {
    fn document(&self) -> Value {
        let date = |date: &DateTime<Utc>| date.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let mut entries = Map::new();
        entries.insert("dates".to_owned(), json!(self.dates.iter().map(date).collect::<Vec<_>>()));
        if self.restrict_to_events {
            entries.insert("restrict_to_events".to_owned(), json!(true));
        }
        if let Some(description) = &self.description {
            entries.insert("description".to_owned(), json!(description));
        }
        Value::Object(entries)
    }
}

fn put_interval(entries: &mut Map<String, Value>, interval: Option<&Period>) {
    if let Some(interval) = interval {
        entries.insert("interval".to_owned(), json!(interval.to_string()));
    }
}

fn put_run_immediately(entries: &mut Map<String, Value>, run_immediately: RunImmediately) {
    let value = match run_immediately {
        RunImmediately::IfJustMissed => return,
        RunImmediately::Within(duration) => json!(duration.as_secs_f64()),
        RunImmediately::Always => json!(true),
    };
    entries.insert("run_immediately".to_owned(), value);
}
