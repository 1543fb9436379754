//! What a scheduler knows after a restart: it is derived from what is stored, for every timetable (§1, `last`).

use rstest::rstest;

use crate::world::{Backend, World, at};

/// Schedules that each ran once before a restart of half a period, with the runs expected after it.
#[rstest]
#[case::cron("schedule: '@daily'", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::interval("schedule: {cron: '@daily', data_interval: true}", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::covering("schedule: {cron: '@daily', interval: 3d}", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::delta_interval("schedule: {every: 1d, data_interval: true}", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::crons("schedule: {crons: ['0 0 * * *', '0 6 * * mon']}", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::partitions("schedule: {cron: '@daily', key_format: '%Y%m%d'}", "2026-11-21T00:00:00", "2026-11-22T00:00:00")]
#[case::dates(
    "schedule: {dates: [2026-11-21, 2026-11-22]}\ncatchup: true",
    "2026-11-21T00:00:00",
    "2026-11-22T00:00:00"
)]
#[case::delta(
    "schedule: 1d\ncatchup: true\nend_date: 2026-11-22T12:00:00",
    "2026-11-21T00:00:00",
    "2026-11-22T00:00:00"
)]
#[tokio::test]
async fn the_run_after_a_restart_follows_the_last_one(
    #[case] schedule: &str,
    #[case] first: &str,
    #[case] second: &str,
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut world = World::new(backend, "2026-11-21T05:11:40Z").await;
    let file = format!("{schedule}\nstart_date: 2026-11-20\ntasks: [{{task_id: a, operator: empty}}]\n");
    let file = if schedule.contains("schedule: 1d") { file.replace("2026-11-20", "2026-11-21") } else { file };
    let file = if schedule.contains("dates") { file.replace("2026-11-20", "2026-11-21") } else { file };
    world.dag("dag", &file).await;
    world.start().await;
    let before = world.due("dag").await;
    assert_eq!(before.last().unwrap(), first);
    // A run that somebody asks for has a later date, and does not move the schedule.
    world.trigger("dag", "by_hand").await;
    world
        .eventually("the manual run", || async {
            world.runs("dag").await.iter().any(|run| run.run_id == "by_hand" && run.state == "success").then_some(())
        })
        .await;

    let mut world = world.restart("2026-11-21T17:00:00Z").await;
    assert_eq!(world.due("dag").await.len(), before.len() + 1, "nothing is made twice");
    world.becomes("2026-11-22T00:00:00Z").await;

    let after = world.due("dag").await;
    assert_eq!(after.last().unwrap(), second);
    assert_eq!(after.len(), before.len() + 2);
    world.stop().await;
}

/// A tick while no scheduler was there is made up for, also without a start date, without catchup, and by dates: the DAG
/// was active when it came.
#[rstest]
#[case::cron("schedule: '@daily'", "2026-11-22T00:00:00")]
#[case::cron_without_catchup("schedule: '@daily'\ncatchup: none", "2026-11-22T00:00:00")]
#[case::interval("schedule: {cron: '@daily', data_interval: true}\ncatchup: none", "2026-11-22T00:00:00")]
#[case::partitions("schedule: {cron: '@daily', key_format: '%Y%m%d'}\ncatchup: none", "2026-11-22T00:00:00")]
#[case::dates("schedule: {dates: [2026-11-22]}", "2026-11-22T00:00:00")]
#[tokio::test]
async fn a_tick_while_nobody_was_there_is_not_lost(#[case] schedule: &str, #[case] expected: &str) {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("dag", &format!("{schedule}\ntasks: [{{task_id: a, operator: empty}}]\n")).await;
    world.start().await;
    let before = world.due("dag").await.len();
    assert_eq!(world.row("dag").await.next_dagrun_run_after, Some(at("2026-11-22T00:00:00Z")));

    let mut world = world.restart("2026-11-22T11:00:00Z").await;

    let after = world.due("dag").await;
    assert_eq!((after.len(), after.last().unwrap().as_str()), (before + 1, expected));
    world.stop().await;
}

/// The same tick is not made up for where the DAG was paused when it came, whoever unpauses it.
#[tokio::test]
async fn a_tick_of_a_paused_dag_stays_missed_through_a_restart() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    world.dag("dag", "schedule: '@daily'\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n").await;
    world.start().await;
    world.pause("dag").await;
    world.settle().await;
    world.stop().await;
    world.clock.set(at("2026-11-22T11:00:00Z"));
    world.another().unpause("dag").await;

    let mut world = world.restart("2026-11-22T11:00:05Z").await;
    assert_eq!(world.due("dag").await, [""; 0]);
    world.becomes("2026-11-23T00:00:00Z").await;

    assert_eq!(world.due("dag").await, ["2026-11-23T00:00:00"]);
    world.stop().await;
}

/// A changed schedule holds from then on; a change of anything else leaves the next run where it was.
#[tokio::test]
async fn only_a_changed_schedule_moves_the_next_run() {
    let mut world = World::new(Backend::Sqlite, "2026-11-21T05:11:40Z").await;
    let file = "schedule: 6h\ncatchup: none\ntasks: [{task_id: a, operator: empty}]\n";
    world.dag("dag", file).await;
    world.start().await;
    let promised = world.row("dag").await.next_dagrun_run_after.unwrap();
    world.becomes("2026-11-21T07:00:00Z").await;

    world.dag("dag", &format!("description: more\n{file}")).await;
    world.settle().await;
    assert_eq!(world.row("dag").await.next_dagrun_run_after, Some(promised));

    world.dag("dag", &file.replace("6h", "'@hourly'")).await;
    world.settle().await;
    assert_eq!(world.row("dag").await.next_dagrun_run_after, Some(at("2026-11-21T08:00:00Z")));
    world.becomes("2026-11-21T08:00:00Z").await;
    assert_eq!(world.due("dag").await, ["2026-11-21T08:00:00"]);
    world.stop().await;
}
