//! Leaves out early what cannot be the first row of its partition.
//!
//! `QUALIFY RANK() OVER (PARTITION BY country ORDER BY followers DESC) = 1` sorts all rows, only to keep some. A row that comes
//! after one seen before it, by the order of its partition, is not the first one; so it need not be sorted, nor handed on. What
//! is left goes through the same plan as ever:
//!
//! ```text
//!   FilterExec: rank = 1                                FilterExec: rank = 1
//!     BoundedWindowAggExec                                BoundedWindowAggExec
//!       SortExec: country, followers DESC                   SortExec: country, followers DESC
//!         RepartitionExec                      ──>            RepartitionExec
//!           rows                                                FirstRowsExec: country, followers DESC
//!                                                                 rows
//! ```
//!
//! It holds the best row of each partition in little memory: of partitions beyond [`HELD_BYTES_MAX`] all rows are handed on, and
//! where most rows are the first of theirs, it gives up.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{HashMap, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::window::StandardWindowExpr;
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{apply_expression_roots, replace_children_if_necessary};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt as _, TryStreamExt as _};

/// Those that number the rows of a partition from 1 in their order.
const RANKS: [&str; 3] = ["row_number", "rank", "dense_rank"];

/// Most bytes that one partition of the plan holds of keys and best rows.
const HELD_BYTES_MAX: usize = 1024 * 1024;

/// After so many rows it is clear whether it is worth it.
const TRIAL_ROWS: usize = 64 * 1024;

/// Finds where rows can be left out.
#[derive(Debug)]
pub(crate) struct FirstRows;

impl PhysicalOptimizerRule for FirstRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = |plan| Ok(rewrite(&plan)?.map_or_else(|| Transformed::no(plan), Transformed::yes));
        plan.transform_up(rewritten).data()
    }

    fn name(&self) -> &'static str {
        "FirstRows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same plan, if it keeps nothing but first rows, with the others left out before they are sorted.
fn rewrite(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(None) };
    for condition in split_conjunction(filter.predicate()) {
        let Some(column) = column_that_is_first(condition) else { continue };
        if let Some(input) = below_projections(filter.input(), column)? {
            return replace_children_if_necessary(Arc::clone(plan), vec![input]).map(Some);
        }
    }
    Ok(None)
}

/// The column that a condition holds to its lowest rank, if it is one.
fn column_that_is_first(condition: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let column = |side: &Arc<dyn PhysicalExpr>| Some(side.downcast_ref::<Column>()?.index());
    let number = |side: &Arc<dyn PhysicalExpr>| {
        let value = side.downcast_ref::<Literal>()?.value();
        match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(number) if value.data_type().is_integer() => number,
            _ => None,
        }
    };
    let (left, right) = (binary.left(), binary.right());
    let (column, op, number) = match (column(left), number(right), column(right), number(left)) {
        (Some(column), Some(number), ..) => (column, *binary.op(), number),
        (.., Some(column), Some(number)) => (column, binary.op().swap()?, number),
        _ => return None,
    };
    matches!((op, number), (Operator::Eq | Operator::LtEq, 1) | (Operator::Lt, 2)).then_some(column)
}

/// A plan in which `column` is a rank, with rows left out below it; none if it is not.
fn below_projections(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let below = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let Some(column) = projection.expr().get(column).and_then(|each| each.expr.downcast_ref::<Column>()) else {
            return Ok(None);
        };
        below_projections(projection.input(), column.index())?
    } else if let Some(repartition) = plan.downcast_ref::<RepartitionExec>() {
        below_projections(repartition.input(), column)?
    } else if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        below_window(window, column)?
    } else {
        None
    };
    below.map(|below| replace_children_if_necessary(Arc::clone(plan), vec![below])).transpose()
}

/// What a window reads, with rows left out, if `column` is all that it computes, and a rank.
fn below_window(window: &BoundedWindowAggExec, column: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // What another function computes may depend on all rows.
    let [rank] = window.window_expr() else { return Ok(None) };
    let is_rank = rank
        .as_any()
        .downcast_ref::<StandardWindowExpr>()
        .and_then(|rank| rank.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>())
        .is_some_and(|rank| RANKS.contains(&rank.fun().name()));
    let order = Order { partition_by: rank.partition_by().to_vec(), order_by: rank.order_by().to_vec() };
    let is_last_column = column == window.input().schema().fields().len();
    if !is_rank || !is_last_column || order.order_by.is_empty() || order.is_volatile() {
        return Ok(None);
    }
    below_sort(window.input(), &order)
}

/// A sort, with rows left out before they are sorted and handed on.
fn below_sort(plan: &Arc<dyn ExecutionPlan>, order: &Order) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (mut rows, mut between) = (plan, Vec::new());
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>().filter(|merge| merge.fetch().is_none()) {
        between.push(rows);
        rows = merge.input();
    }
    let Some(sort) = rows.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none()) else { return Ok(None) };
    between.push(rows);
    rows = sort.input();
    // Below one that hands rows out in turns there may be but one partition, which would do all the work.
    while let Some(repartition) = rows.downcast_ref::<RepartitionExec>()
        && matches!(repartition.partitioning(), Partitioning::Hash(..))
    {
        between.push(rows);
        rows = repartition.input();
    }
    if rows.is::<FirstRowsExec>() {
        return Ok(None);
    }
    let Some(first) = FirstRowsExec::new(rows, order)? else { return Ok(None) };
    let first: Arc<dyn ExecutionPlan> = Arc::new(first);
    let above = between.into_iter().rev();
    let all = above.cloned().try_fold(first, |below, above| replace_children_if_necessary(above, vec![below]));
    all.map(Some)
}

/// The order of rows in their partitions.
#[derive(Clone, Debug)]
struct Order {
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    order_by: Vec<PhysicalSortExpr>,
}

/// Hands rows on, but for those that come after another of their partition.
#[derive(Debug)]
struct FirstRowsExec {
    input: Arc<dyn ExecutionPlan>,
    order: Order,
    properties: Arc<PlanProperties>,
}

impl FirstRowsExec {
    /// None if values cannot be compared.
    fn new(input: &Arc<dyn ExecutionPlan>, order: &Order) -> Result<Option<FirstRowsExec>> {
        let schema = input.schema();
        let can = RowConverter::supports_fields(&order.keys(&schema)?)
            && RowConverter::supports_fields(&order.places(&schema)?);
        let properties = Arc::clone(input.properties());
        Ok(can.then(|| FirstRowsExec { input: Arc::clone(input), order: order.clone(), properties }))
    }
}

impl DisplayAs for FirstRowsExec {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition_by: Vec<String> = self.order.partition_by.iter().map(ToString::to_string).collect();
        let order_by: Vec<String> = self.order.order_by.iter().map(ToString::to_string).collect();
        write!(f, "FirstRowsExec: partition_by=[{}], order_by=[{}]", partition_by.join(", "), order_by.join(", "))
    }
}

impl ExecutionPlan for FirstRowsExec {
    fn name(&self) -> &'static str {
        "FirstRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.order.expressions(), f)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(DataFusionError::Internal("FirstRowsExec has one input".to_owned()));
        };
        let properties = Arc::clone(input.properties());
        Ok(Arc::new(FirstRowsExec { input, order: self.order.clone(), properties }))
    }

    fn execute(&self, partition: usize, ctx: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let mut contest = Contest::new(&self.order, &schema)?;
        let mut left = BatchCoalescer::new(Arc::clone(&schema), ctx.session_config().batch_size());
        let input = self.input.execute(partition, ctx)?;
        let end = futures::stream::once(async { None });
        let stream = input.map(Some).chain(end).map(move |batch| -> Result<_> {
            let mut untouched = None;
            match batch.transpose()? {
                None => left.finish_buffered_batch()?,
                Some(batch) if contest.is_over => {
                    left.finish_buffered_batch()?;
                    untouched = Some(batch);
                }
                Some(batch) => {
                    let may_be_first = contest.of(&batch)?;
                    left.push_batch_with_filter(batch, &may_be_first)?;
                }
            }
            let ready = std::iter::from_fn(|| left.next_completed_batch()).chain(untouched);
            let ready: Vec<Result<RecordBatch>> = ready.map(Ok).collect();
            Ok(futures::stream::iter(ready))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream.try_flatten())))
    }
}

impl Order {
    /// Whether it is another one each time that somebody asks, such as the order of `rand()`.
    fn is_volatile(&self) -> bool {
        self.expressions().any(is_volatile)
    }

    fn expressions(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.partition_by.iter().chain(self.order_by.iter().map(|each| &each.expr))
    }

    /// What rows of one partition have in common.
    fn keys(&self, schema: &Schema) -> Result<Vec<SortField>> {
        self.partition_by.iter().map(|each| Ok(SortField::new(each.data_type(schema)?))).collect()
    }

    /// By what they are in order.
    fn places(&self, schema: &Schema) -> Result<Vec<SortField>> {
        let field =
            |each: &PhysicalSortExpr| Ok(SortField::new_with_options(each.expr.data_type(schema)?, each.options));
        self.order_by.iter().map(field).collect()
    }
}

/// Who is the first of each partition, going by what has been seen.
struct Contest {
    order: Order,
    keys: RowConverter,
    places: RowConverter,
    /// By the keys of partitions, the place of the first row.
    first: HashMap<Box<[u8]>, Box<[u8]>>,
    held_bytes: usize,
    rows: usize,
    left_out: usize,
    /// Whether too few rows are left out.
    is_over: bool,
}

impl Contest {
    fn new(order: &Order, schema: &Schema) -> Result<Contest> {
        Ok(Contest {
            order: order.clone(),
            keys: RowConverter::new(order.keys(schema)?)?,
            places: RowConverter::new(order.places(schema)?)?,
            first: HashMap::new(),
            held_bytes: 0,
            rows: 0,
            left_out: 0,
            is_over: false,
        })
    }

    /// Which rows may be the first of their partitions.
    fn of(&mut self, batch: &RecordBatch) -> Result<BooleanArray> {
        let keys = laid_out(&self.keys, &mut self.order.partition_by.iter(), batch)?;
        let places = laid_out(&self.places, &mut self.order.order_by.iter().map(|each| &each.expr), batch)?;
        let mut may_be_first = |row: usize| {
            let key = keys.as_ref().map_or(&[][..], |keys| keys.row(row).data());
            let place = places.as_ref().map_or(&[][..], |places| places.row(row).data());
            self.is_not_after(key, place)
        };
        let may_be_first: BooleanArray = (0..batch.num_rows()).map(|row| Some(may_be_first(row))).collect();
        self.rows += batch.num_rows();
        self.left_out += may_be_first.false_count();
        self.is_over = self.rows >= TRIAL_ROWS && self.left_out < self.rows / 2;
        if self.is_over {
            self.first = HashMap::new();
        }
        Ok(may_be_first)
    }

    /// Whether no row of the partition comes before this one, of those that were seen.
    fn is_not_after(&mut self, key: &[u8], place: &[u8]) -> bool {
        if let Some(first) = self.first.get_mut(key) {
            if place > &first[..] {
                return false;
            }
            let held_bytes = self.held_bytes - first.len() + place.len();
            // A place further back does as well, but leaves fewer rows out.
            if place < &first[..] && held_bytes <= HELD_BYTES_MAX {
                self.held_bytes = held_bytes;
                *first = place.into();
            }
            return true;
        }
        let bytes = key.len() + place.len() + size_of::<(Box<[u8]>, Box<[u8]>)>();
        if self.held_bytes + bytes <= HELD_BYTES_MAX {
            self.held_bytes += bytes;
            self.first.insert(key.into(), place.into());
        }
        true
    }
}

/// Values of a batch, laid out so that their bytes compare as they do; none of nothing.
fn laid_out(
    converter: &RowConverter,
    values: &mut dyn Iterator<Item = &Arc<dyn PhysicalExpr>>,
    batch: &RecordBatch,
) -> Result<Option<Rows>> {
    let columns = values.map(|each| each.evaluate(batch)?.into_array(batch.num_rows())).collect::<Result<Vec<_>>>()?;
    if columns.is_empty() { Ok(None) } else { Ok(Some(converter.convert_columns(&columns)?)) }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, AsArray as _, Int64Array, StringArray};
    use datafusion::arrow::datatypes::Int64Type;
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::SessionContext;
    use proptest::prelude::*;

    use super::*;
    use crate::spark::session;

    type Row = (Option<i64>, Option<i64>);

    /// A session with a table `posts` of countries, numbers of followers, and which row it is.
    fn session_of(rows: &[Row], with_rule: bool) -> SessionContext {
        let ours = session(1 << 30, 2).unwrap();
        let mut state = SessionStateBuilder::new_from_existing(ours.state());
        if !with_rule {
            state = state.with_physical_optimizer_rules(PhysicalOptimizer::new().rules);
        }
        let ctx = SessionContext::new_with_state(state.build());
        let countries = rows.iter().map(|(country, _)| country.map(|country| format!("country {country}")));
        let columns: [(&str, ArrayRef); 3] = [
            ("country", Arc::new(countries.collect::<StringArray>())),
            ("followers", Arc::new(rows.iter().map(|(_, followers)| *followers).collect::<Int64Array>())),
            ("post", Arc::new((0..i64::try_from(rows.len()).unwrap()).map(Some).collect::<Int64Array>())),
        ];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap();
        let half = batch.num_rows() / 2;
        let parts = [(0, half), (half, batch.num_rows() - half)];
        let rows_of_batch = if rows.len() < 1000 { 10 } else { 1000 };
        let parts = parts.map(|(start, length)| {
            let slice = |at: usize| batch.slice(start + at, rows_of_batch.min(length - at));
            (0..length).step_by(rows_of_batch).map(slice).collect()
        });
        let table = MemTable::try_new(batch.schema(), parts.to_vec()).unwrap();
        ctx.register_table("posts", Arc::new(table)).unwrap();
        ctx
    }

    /// Which posts are found, in order.
    async fn posts(sql: &str, ctx: &SessionContext) -> Vec<i64> {
        let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
        let posts = batches.iter().flat_map(|batch| batch["post"].as_primitive::<Int64Type>().iter().flatten());
        let mut posts: Vec<i64> = posts.collect();
        posts.sort_unstable();
        posts
    }

    async fn plan(sql: &str) -> String {
        let ctx = session_of(&[(Some(1), Some(1))], true);
        let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        displayable(plan.as_ref()).indent(false).to_string()
    }

    fn is_found(plan: &str) -> bool {
        plan.contains("FirstRowsExec")
    }

    const RANK: &str = "RANK() OVER (PARTITION BY country ORDER BY followers DESC)";

    #[tokio::test]
    async fn rows_are_left_out_before_they_are_sorted_and_handed_on() {
        let plan = plan(&format!("SELECT post FROM posts WHERE post > 0 QUALIFY {RANK} = 1")).await;
        let nodes = plan.lines().map(|line| line.trim().split(':').next().unwrap_or_default());
        let nodes: Vec<&str> = nodes.collect();
        let first = nodes.iter().position(|node| *node == "FirstRowsExec").expect(&plan);
        assert!(nodes[..first].contains(&"SortExec") && nodes[..first].contains(&"RepartitionExec"), "{plan}");
        assert!(!nodes[first..].contains(&"SortExec"), "{plan}");
        let line = plan.lines().nth(first).unwrap_or_default().trim();
        assert_eq!(line, "FirstRowsExec: partition_by=[country@0], order_by=[followers@1 DESC NULLS LAST]");
    }

    #[tokio::test]
    async fn only_where_nothing_but_first_rows_is_kept() {
        let row_number = "ROW_NUMBER() OVER (PARTITION BY country ORDER BY followers)";
        for kept in [
            format!("{RANK} = 1"),
            format!("1 = {RANK}"),
            format!("{RANK} <= 1"),
            format!("{RANK} < 2"),
            format!("2 > {RANK}"),
            format!("{RANK} = 1 AND post > 3"),
            format!("{row_number} = 1"),
            "DENSE_RANK() OVER (PARTITION BY country, post ORDER BY followers) = 1".to_owned(),
            "RANK() OVER (ORDER BY followers) = 1".to_owned(),
        ] {
            let plan = plan(&format!("SELECT post FROM posts QUALIFY {kept}")).await;
            assert!(is_found(&plan), "{kept}\n{plan}");
        }
        for kept in [
            format!("{RANK} = 2"),
            format!("{RANK} <= 2"),
            format!("{RANK} >= 1"),
            format!("{RANK} = 1 OR post > 3"),
            "COUNT(*) OVER (PARTITION BY country ORDER BY followers) = 1".to_owned(),
            "NTILE(2) OVER (PARTITION BY country ORDER BY followers) = 1".to_owned(),
            "RANK() OVER (PARTITION BY country) = 1".to_owned(),
            "ROW_NUMBER() OVER (PARTITION BY country ORDER BY rand()) = 1".to_owned(),
        ] {
            let plan = plan(&format!("SELECT post FROM posts QUALIFY {kept}")).await;
            assert!(!is_found(&plan), "{kept}\n{plan}");
        }
        let beside = format!(
            "SELECT post FROM (SELECT post, {RANK} AS place, LEAD(post) OVER (PARTITION BY country ORDER BY followers DESC) \
             AS next FROM posts) WHERE place = 1 AND next > 0"
        );
        assert!(!is_found(&plan(&beside).await));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_answer_is_the_same(
            rows in prop::collection::vec((prop::option::of(0i64..4), prop::option::of(0i64..6)), 0..200)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (with, without) = (session_of(&rows, true), session_of(&rows, false));
                for order in ["followers", "followers DESC", "followers DESC NULLS FIRST, post % 3"] {
                    for partition in ["PARTITION BY country", "PARTITION BY country, post % 2", ""] {
                        let sql = format!("SELECT post FROM posts QUALIFY RANK() OVER ({partition} ORDER BY {order}) = 1");
                        assert_eq!(posts(&sql, &with).await, posts(&sql, &without).await, "{sql}");
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn many_partitions_take_no_more_memory_and_have_the_same_answer() {
        let count = 3 * i64::try_from(TRIAL_ROWS).unwrap();
        for step in [count, count / 3, 1000] {
            let rows: Vec<Row> = (0..count).map(|post| (Some(post % step), Some(post * 7919 % 1000))).collect();
            let sql = format!("SELECT post FROM posts QUALIFY {RANK} = 1");
            let ours = posts(&sql, &session_of(&rows, true)).await;
            assert_eq!(ours, posts(&sql, &session_of(&rows, false)).await, "{step}");
        }
    }

    /// A contest of rows with a key and a place, both text.
    fn contest() -> Contest {
        let column = |name: &str, at: usize| -> Arc<dyn PhysicalExpr> { Arc::new(Column::new(name, at)) };
        let order_by = vec![PhysicalSortExpr::new_default(column("place", 1))];
        let order = Order { partition_by: vec![column("key", 0)], order_by };
        Contest::new(&order, &rows_of(&[], &[]).schema()).unwrap()
    }

    fn rows_of(keys: &[String], places: &[String]) -> RecordBatch {
        let text = |values: &[String]| -> ArrayRef { Arc::new(values.iter().map(Some).collect::<StringArray>()) };
        RecordBatch::try_from_iter([("key", text(keys)), ("place", text(places))]).unwrap()
    }

    #[test]
    fn a_contest_ends_when_it_is_not_worth_it() {
        let mut contest = contest();
        let places = vec!["place".to_owned(); 1000];
        for from in (0..).step_by(1000).take(TRIAL_ROWS.div_ceil(1000)) {
            assert!(!contest.is_over, "{from}");
            let keys: Vec<String> = (from..from + 1000).map(|key| format!("{key:0>100}")).collect();
            let may_be_first = contest.of(&rows_of(&keys, &places)).unwrap();
            assert_eq!(may_be_first.true_count(), 1000, "each is the first of its partition");
            assert!(contest.held_bytes <= HELD_BYTES_MAX);
        }
        assert!(contest.is_over);
        assert!(contest.first.is_empty());
    }

    #[test]
    fn a_contest_holds_little_when_places_become_longer() {
        let mut contest = contest();
        let keys: Vec<String> = (0..1000).map(|key| key.to_string()).collect();
        for (letter, length) in [("d", 10), ("c", 1_000), ("b", 10_000), ("a", 1)] {
            let places = vec![letter.repeat(length); 1000];
            let may_be_first = contest.of(&rows_of(&keys, &places)).unwrap();
            assert_eq!(may_be_first.true_count(), 1000, "each is better than what is known");
            assert!(contest.held_bytes <= HELD_BYTES_MAX, "{letter}");
        }
        let after = contest.of(&rows_of(&keys, &vec!["b".to_owned(); 1000])).unwrap();
        assert_eq!(after.true_count(), 0);
    }
}
