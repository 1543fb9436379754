//! From what a clock on the wall shows to an instant, through daylight saving.

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The widest gap that we look across. The widest ever made is a whole day, when Samoa changed sides of the date line.
const GAP_MINUTES_MAX: i64 = 26 * 60;

/// The instant at which clocks in `timezone` show `local`.
///
/// A time that the clocks skip is moved forward by the width of the gap; of a time that they show twice, the second one
/// is meant (Airflow 3: `fold=1`).
pub fn resolve_local(local: NaiveDateTime, timezone: Tz) -> DateTime<Utc> {
    match timezone.from_local_datetime(&local) {
        LocalResult::Single(instant) => instant.with_timezone(&Utc),
        LocalResult::Ambiguous(first, second) => first.max(second).with_timezone(&Utc),
        LocalResult::None => after_gap(local, timezone),
    }
}

/// The offset that held just before the gap, applied to the skipped time, gives the time moved forward by the gap.
fn after_gap(local: NaiveDateTime, timezone: Tz) -> DateTime<Utc> {
    use chrono::Offset;

    for minutes in (15..=GAP_MINUTES_MAX).step_by(15) {
        let Some(before) = local.checked_sub_signed(TimeDelta::minutes(minutes)) else { break };
        if let Some(instant) = timezone.from_local_datetime(&before).latest() {
            let offset = TimeDelta::seconds(i64::from(instant.offset().fix().local_minus_utc()));
            return (local - offset).and_utc();
        }
    }
    local.and_utc()
}
