//! A DataFusion session that answers as Spark does.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry as _, SessionStateBuilder};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_spark::planner::SparkFunctionPlanner;
use deltalake::delta_datafusion::planner::DeltaPlanner;

use super::fields::SparkFields;
use super::generator::LateralViews;
use super::operators::SparkOperators;
use super::percentile::Percentile;
use super::pivot::Pivots;
use super::{calendar, casts, implicit, lists, mathematics, text};
use crate::first_rows::FirstRows;
use crate::memory::batch_rows;
use crate::memory_pool::Shares;
use crate::spills::Spills;

/// The catalogue and schema of tables that are named without them.
const CATALOG: &str = "spark_catalog";
/// See [`CATALOG`].
const SCHEMA: &str = "default";

/// Rows of a batch: of batches as large as that, sorting takes half the memory. Those who find that their rows are long make
/// [room](crate::room::make) for them.
const BATCH_ROWS_MAX: usize = 32 * 1024;

/// Of so many parts of the memory of a partition each sort keeps one for the merging of what it spilled: two batches, each twice.
const RESERVATIONS: usize = 16;
/// Memory below which a further partition would only be in the way.
const PARTITION_BYTES: usize = 32 * 1024 * 1024;

/// A session: Spark's SQL, functions and order of NULLs; work beyond `memory_bytes` is spilled to disk. At most `parallelism`
/// partitions are worked on at a time.
pub fn session(memory_bytes: usize, parallelism: usize) -> Result<SessionContext> {
    // Each partition sorts by itself, and what little there is must be enough for each. Of one partition joins would not sort,
    // whatever they prefer.
    let partitions = (memory_bytes / PARTITION_BYTES).clamp(2, parallelism.max(2));
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows(memory_bytes, partitions, BATCH_ROWS_MAX))
        .with_information_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    let execution = &mut options.execution;
    // What sorts keep for the merging of what they spilled must leave room for the rows.
    let reservation = memory_bytes / (RESERVATIONS * partitions);
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(reservation);
    options.sql_parser.dialect = datafusion::config::Dialect::Databricks;
    // First ascending, last descending.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_owned());
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(Shares::new(memory_bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_temp_file_factory(Arc::new(Spills::default())))
        .build_arc()?;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        // Before the default ones, which take names letter by letter.
        .with_expr_planners(vec![Arc::new(SparkFields), Arc::new(SparkOperators), Arc::new(SparkFunctionPlanner)])
        .with_default_features()
        // Writing to Delta tables adds nodes of its own to plans.
        .with_relation_planners(vec![Arc::new(LateralViews), Arc::new(Pivots)])
        .with_query_planner(Arc::new(DeltaPlanner))
        .with_physical_optimizer_rule(Arc::new(FirstRows))
        .build();
    datafusion_spark::register_all(&mut state)?;
    // Ours come last: they take text where dates are meant, and answer as Spark does where the others do not.
    let functions =
        [casts::functions(), text::functions(), calendar::functions(), mathematics::functions(), lists::functions()];
    for function in functions.into_iter().flatten() {
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(function)))?;
    }
    for function in implicit::functions() {
        state.register_udf(Arc::new(function))?;
    }
    for percentile in Percentile::all() {
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(percentile)))?;
    }
    Ok(SessionContext::new_with_state(state))
}
