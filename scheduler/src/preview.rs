//! When a DAG will be due, for people to look at before it happens.

use chrono::{DateTime, Utc};

use crate::dag::Dag;
use crate::dag::timetable::{DataInterval, Past, Restriction, Timetable, Upcoming};
use crate::store::entity::dag;
use crate::store::{Db, StoreError, schedules};

/// The next `count` runs that the schedule makes of a DAG. Of a paused one: those that it would make if it were unpaused
/// at `now`, which may be at once.
pub async fn upcoming(
    db: &Db,
    row: &dag::Model,
    definition: &Dag,
    timetable: &Timetable,
    now: DateTime<Utc>,
    count: usize,
) -> Result<Vec<Upcoming>, StoreError> {
    let standings = schedules::standings(db.read(), Some(std::slice::from_ref(&row.dag_id))).await?;
    let last = standings.get(&row.dag_id).and_then(schedules::Standing::last);
    let past = Past { last: last.map(|(start, end)| DataInterval { start, end }), promised: schedules::promised(row) };
    Ok(timetable.upcoming(past, now, &Restriction::of(definition), count))
}
