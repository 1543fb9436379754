//! What goes out: the schemas of Airflow's API, made from rows. Rows themselves never become JSON.

mod asset;
mod backfill;
mod bulk;
mod callback;
mod connection;
mod dag;
mod dag_run;
mod dag_warning;
mod dependency;
pub(crate) mod display_name;
mod event_log;
mod hitl_detail;
mod import_error;
mod job;
mod monitor;
mod pool;
mod task;
mod task_instance;
mod variable;
mod words;
mod xcom;

pub(crate) use asset::{
    AssetAliasCollectionResponse, AssetAliasResponse, AssetCollectionResponse, AssetEventCollectionResponse,
    AssetEventResponse, AssetResponse, DagAssetsResponse, QueuedEventCollectionResponse, QueuedEventResponse,
};
pub(crate) use backfill::{
    BackfillCollectionResponse, BackfillResponse, DryRunBackfillCollectionResponse, DryRunBackfillResponse,
};
pub(crate) use bulk::{BulkActionResponse, BulkResponse};
pub(crate) use callback::{CallbackCollectionResponse, CallbackResponse};
pub(crate) use connection::{
    ConnectionCollectionResponse, ConnectionResponse, ConnectionTestResponse, ConnectionTypeCollectionResponse,
    ConnectionTypeResponse,
};
pub(crate) use dag::{
    DagCollectionResponse, DagDetailsResponse, DagResponse, DagSourceResponse, DagStatsCollectionResponse,
    DagStatsResponse, DagStatsStateResponse, DagTagCollectionResponse, DagVersionCollectionResponse,
    DagVersionResponse, read_file_token,
};
pub(crate) use dag_run::{DagRunCollectionResponse, DagRunResponse};
pub(crate) use dag_warning::{DagWarningCollectionResponse, DagWarningResponse};
pub(crate) use dependency::{TaskDependencyCollectionResponse, TaskDependencyResponse};
pub(crate) use event_log::{EventLogCollectionResponse, EventLogResponse};
pub(crate) use hitl_detail::{HitlDetail, HitlDetailCollection, HitlDetailHistory, HitlDetailResponse};
pub(crate) use import_error::{ImportErrorCollectionResponse, ImportErrorResponse};
pub(crate) use job::{JobCollectionResponse, JobResponse, SCHEDULER_JOB, WORKER_JOB};
pub(crate) use monitor::{
    BaseInfoResponse, DagProcessorInfoResponse, HealthInfoResponse, SchedulerInfoResponse, TriggererInfoResponse,
    VersionInfo,
};
pub(crate) use pool::{PoolCollectionResponse, PoolResponse};
pub(crate) use task::{TaskCollectionResponse, TaskGroupResponse, TaskResponse};
pub(crate) use task_instance::{
    ClearDagRunResponse, ClearDagRunsResponse, ClearTaskInstanceCollectionResponse, StructuredLogMessage,
    TaskInstanceCollectionResponse, TaskInstanceHistoryCollectionResponse, TaskInstanceHistoryResponse,
    TaskInstanceResponse, TaskInstancesLogResponse,
};
pub(crate) use variable::{VariableCollectionResponse, VariableResponse};
pub(crate) use words::{
    DagRunMutableStates, DagRunState, DagRunTriggeredByType, DagRunType, DagWarningType, TaskInstanceState,
};
pub(crate) use xcom::{XComCollectionResponse, XComResponse, XComResponseNative, XComResponseString};
