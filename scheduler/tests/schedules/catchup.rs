//! Data intervals and logical dates as they are stored, and previews against what then happens.

use scheduler::dag::timetable::Timetable;
use scheduler::preview;

use crate::world::{Backend, World, at};

/// §1: logical_date = data_interval.start, run_after = data_interval.end, and the run id ends with run_after.
#[tokio::test]
async fn a_run_is_stored_with_its_interval() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world
        .dag("daily", "schedule: {cron: '@daily', data_interval: true}\nstart_date: 2026-01-01\ntasks: [{task_id: a, operator: empty}]\n")
        .await;
    world.start().await;

    let [run] = world.runs("daily").await.try_into().unwrap();
    assert_eq!((run.logical_date, run.data_interval_start), (Some(at("2026-11-20T00:00:00Z")), run.logical_date));
    assert_eq!((run.data_interval_end, run.run_after), (Some(run.run_after), at("2026-11-21T00:00:00Z")));
    assert_eq!(run.run_id, "scheduled__2026-11-21T00:00:00+00:00");
    let manual = world.trigger("daily", "by_hand").await;
    assert_eq!(manual.data_interval_start, Some(at("2026-11-20T00:00:00Z")), "about the last complete day");
    world.stop().await;
}

/// What the preview of a paused DAG says is what unpausing then does.
#[tokio::test]
async fn a_preview_says_what_happens() {
    for (schedule, count) in [
        ("schedule: '@hourly'\nstart_date: 2026-11-21T02:00:00\ncatchup: true", 6),
        ("schedule: '@hourly'\nstart_date: 2026-11-21T02:00:00", 3),
        ("schedule: '@hourly'\ncatchup: none", 2),
        ("schedule: {every: 90m, data_interval: true}", 3),
        ("schedule: {every: 90m, keep_phase: true}\nstart_date: 2026-11-21T02:00:00", 3),
    ] {
        let mut world = World::new(Backend::Sqlite, "2026-11-21T05:10:00Z").await;
        world
            .dag(
                "dag",
                &format!("{schedule}\nis_paused_upon_creation: true\ntasks: [{{task_id: a, operator: empty}}]\n"),
            )
            .await;
        world.start().await;
        let row = world.row("dag").await;
        let definition = world.definition(&row);
        let timetable = Timetable::new(&definition.schedule, definition.timezone).unwrap();
        let shown =
            preview::upcoming(&world.db, &row, &definition, &timetable, world.clock.now(), count).await.unwrap();
        let shown: Vec<_> = shown.iter().map(|upcoming| upcoming.run.run_after).collect();
        assert_eq!(shown.len(), count, "{schedule}");

        world.unpause("dag").await;
        world.settle().await;
        for instant in shown.iter().filter(|instant| **instant > world.clock.now()) {
            world.becomes(&instant.to_rfc3339()).await;
        }

        let made: Vec<_> = world.runs("dag").await.iter().map(|run| run.run_after).collect();
        assert_eq!(made, shown, "{schedule}");
        world.stop().await;
    }
}

/// §1: what is stored of the next run moves with each run that the schedule makes, and with none that people ask for.
#[tokio::test]
async fn runs_that_people_ask_for_do_not_move_the_schedule() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("hourly", "schedule: '@hourly'\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;
    assert_eq!(world.row("hourly").await.next_dagrun_run_after, Some(at("2026-11-21T06:00:00Z")));

    world.trigger_about("hourly", "later", at("2026-11-21T09:00:00Z")).await;
    world.settle().await;
    assert_eq!(world.row("hourly").await.next_dagrun_run_after, Some(at("2026-11-21T06:00:00Z")));

    world.becomes("2026-11-21T06:00:00Z").await;
    let row = world.row("hourly").await;
    assert_eq!(row.next_dagrun_run_after, Some(at("2026-11-21T07:00:00Z")));
    assert_eq!(row.next_dagrun_logical_date, row.next_dagrun_run_after);
    world.stop().await;
}
