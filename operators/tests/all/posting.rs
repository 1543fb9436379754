//! `emulation` through a Kafka REST proxy: what is posted, how fast, how often, and what is said of it.

use std::time::Duration;

use operators::emulation::Emulation;
use operators::location::S3;
use operators::notifiers::Environment;
use scheduler::operator::Verdict;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::proxy::{Mood, Proxy};
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";
const TABLES: [&str; 3] = ["pin", "geo", "user"];

fn emulation() -> Emulation {
    Emulation::new(S3::from_variables([]))
}

fn topic(table: &str) -> String {
    format!("{USER}.{table}")
}

/// The numbers of the rows of a topic, in the order in which they came.
fn numbers(proxy: &Proxy, table: &str) -> Vec<u64> {
    let key = if table == "pin" { "index" } else { "ind" };
    proxy.records(&topic(table)).iter().map(|record| record[key].as_u64().unwrap()).collect()
}

fn args(proxy: &Proxy, more: Value) -> Value {
    let mut args = json!({ "sink": { "kafka_rest": { "url": proxy.url() } }, "rows": 10, "retry_for": "20s" });
    if let Value::Object(more) = more {
        args.as_object_mut().unwrap().extend(more);
    }
    args
}

#[tokio::test]
async fn rows_are_posted_one_by_one_in_rounds() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 4 }))).await);
    let posted: Vec<String> = proxy.requests().into_iter().map(|request| request.topic).collect();
    assert_eq!(posted, TABLES.repeat(4).into_iter().map(topic).collect::<Vec<_>>());
    assert!(proxy.requests().iter().all(|request| request.values.len() == 1));
    assert_eq!(report["pin"], json!({ "rows": 4, "requests": 4, "broken": 0 }));
    assert_eq!(report["location"], json!(proxy.url()));
    // The same rows as in a folder.
    return_value(bench.run(&emulation(), json!({ "rows": 4 })).await);
    for table in TABLES {
        let topic = topic(table);
        for (offset, record) in proxy.records(&topic).iter().enumerate() {
            let file = bench.home().join(format!("lake/topics/{topic}/partition=0/{topic}+0+{offset:010}.json"));
            assert_eq!(&serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap(), record);
        }
    }
}

#[tokio::test]
async fn chance_picks_the_rows_that_the_scripts_pick() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    // `pause: random` draws from the same generator, as in the scripts; its second of waiting is not for a test.
    let more = json!({ "order": "random", "rows": 1, "pause": "random", "seed": 100 });
    return_value(bench.run(&emulation(), args(&proxy, more)).await);
    for table in TABLES {
        assert_eq!(numbers(&proxy, table), [7528]);
    }
    let more = json!({ "order": "random", "rows": 500, "seed": 3, "draw_from": 50, "batch": 100 });
    return_value(Bench::new().run(&emulation(), args(&proxy, more)).await);
    let drawn = numbers(&proxy, "geo").split_off(1);
    assert_eq!(drawn.len(), 500);
    assert!(drawn.iter().all(|number| *number < 50) && (0..50).all(|number| drawn.contains(&number)));
    assert_eq!(drawn, numbers(&proxy, "user").split_off(1), "the rows of a round belong together");
}

#[tokio::test]
async fn several_rows_share_a_request() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "batch": 4, "concurrency": 8 }))).await);
    let mut sizes: Vec<usize> = proxy.requests().iter().map(|request| request.values.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 2, 2, 4, 4, 4, 4, 4, 4]);
    assert_eq!(report["geo"], json!({ "rows": 10, "requests": 3, "broken": 0 }));
    let mut came = numbers(&proxy, "geo");
    came.sort_unstable();
    assert!(came.into_iter().eq(0..10));
}

#[tokio::test]
async fn records_that_were_not_taken_are_sent_again_alone() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([Some(Mood::Refuse(vec![1, 3], 2)), Some(Mood::Refuse(vec![0], 2))]);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "batch": 10 }))).await);
    let sizes: Vec<usize> = proxy.requests().iter().map(|request| request.values.len()).collect();
    assert_eq!(sizes, [10, 2, 1, 10, 10]);
    assert_eq!(numbers(&proxy, "pin"), [0, 2, 4, 5, 6, 7, 8, 9, 3, 1]);
    assert_eq!(report["pin"], json!({ "rows": 10, "requests": 1, "broken": 0, "sent_again": 3 }));
    assert!(bench.log_text().contains("2 of the rows 0 to 9 of pin were not taken: error 2: told to"));
}

#[tokio::test]
async fn a_record_that_will_never_be_taken_ends_it() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([Some(Mood::Refuse(vec![1], 1))]);
    let error = bench.run(&emulation(), args(&proxy, json!({ "batch": 10 }))).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Fail);
    assert!(error.to_string().contains("error 1: told to"), "{error}");
}

#[tokio::test]
async fn throttling_is_obeyed_and_a_busy_server_is_asked_again() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([Some(Mood::Throttle(1)), Some(Mood::Status(503)), Some(Mood::Status(500)), None]);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 1 }))).await);
    let requests = proxy.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1), "it came back too soon");
    assert_eq!(numbers(&proxy, "pin"), [0]);
    let expected = json!({ "rows": 1, "requests": 1, "broken": 0, "sent_again": 3, "maybe_twice": 2 });
    assert_eq!(report["pin"], expected, "after a 429 a row is not there, after a 5xx it may be");
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_a_doubt_that_is_said() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([Some(Mood::BreakOff)]);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 2 }))).await);
    assert_eq!(numbers(&proxy, "pin"), [0, 0, 1]);
    assert_eq!(report["pin"]["maybe_twice"], 1);
    assert_eq!(report["geo"], json!({ "rows": 2, "requests": 2, "broken": 0 }));
}

#[tokio::test]
async fn what_will_not_change_is_asked_once() {
    let proxy = Proxy::start("ffffffffffff").await;
    for (path, words) in [("", "make the topic first"), ("/elsewhere", "no such route")] {
        let bench = Bench::new();
        let mut args = args(&proxy, json!({}));
        args["sink"]["kafka_rest"]["url"] = json!(proxy.url() + path);
        let error = bench.run(&emulation(), args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(proxy.requests().len(), 1);
    for status in [400, 401, 403, 409, 422] {
        let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
        proxy.moods([Some(Mood::Status(status))]);
        let error = bench.run(&emulation(), args(&proxy, json!({}))).await.unwrap_err();
        assert_eq!((error.verdict, proxy.requests().len()), (Verdict::Fail, 1), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_and_the_next_try_goes_on() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([const { None }; 7].into_iter().chain([Some(Mood::Status(503))]));
    let error = bench.run(&emulation(), args(&proxy, json!({ "retry_for": 0 }))).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    assert!(error.to_string().contains("503"), "{error}");
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "retry_for": 0 }))).await);
    for table in TABLES {
        assert!(numbers(&proxy, table).into_iter().eq(0..10), "{table}");
    }
    // Pin 0 to 2, geo 0 and 1, user 0 and 1 were posted; what became of geo 2 nobody knows.
    assert_eq!(report["pin"]["by_earlier_tries"], 3);
    assert_eq!(report["pin"]["rows"], 10);
    assert_eq!(report["geo"]["by_earlier_tries"], 2);
    assert_eq!(report["geo"]["maybe_twice"], 1);
    assert!(report["pin"].get("maybe_twice").is_none());
    let log = bench.log_text();
    assert!(
        log.contains("An earlier try landed 3 of pin, 2 of geo, 2 of user rows; this one goes on after them"),
        "{log}"
    );
    assert!(log.contains("The rows 2 to 2 of geo may have been posted by it, too; they may be there twice"), "{log}");
}

#[tokio::test]
async fn after_a_crash_no_row_is_missing_and_what_may_be_twice_is_known() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([const { None }; 20].into_iter().chain([Some(Mood::Hang)]));
    let rows = json!({ "rows": 40, "concurrency": 3 });
    // The try is dropped as it stands, which is what a crash is to the other side.
    let emulation = emulation();
    tokio::select! {
        ended = bench.run(&emulation, args(&proxy, rows.clone())) => panic!("{ended:?}"),
        () = proxy.hanging() => (),
    }
    let report = return_value(bench.run(&emulation, args(&proxy, rows)).await);
    for table in TABLES {
        let came = numbers(&proxy, table);
        let twice: Vec<u64> = (0..40).filter(|row| came.iter().filter(|number| *number == row).count() == 2).collect();
        assert!((0..40).all(|row| came.contains(&row)), "{table}: {came:?}");
        assert_eq!(came.len(), 40 + twice.len());
        let entry = &report[table];
        let from = entry["by_earlier_tries"].as_u64().unwrap_or_default();
        let unsure = from..from + entry["maybe_twice"].as_u64().unwrap_or_default();
        assert!(twice.iter().all(|row| unsure.contains(row)), "{table}: {twice:?} is beyond {unsure:?}");
    }
}

#[tokio::test]
async fn another_emulation_starts_afresh_and_a_second_run_says_so() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 2 }))).await);
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 2 }))).await);
    assert_eq!(report["pin"], json!({ "rows": 2, "requests": 2, "broken": 0, "maybe_twice": 2 }));
    let report = return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 3 }))).await);
    assert_eq!(report["pin"], json!({ "rows": 3, "requests": 3, "broken": 0 }));
    assert_eq!(numbers(&proxy, "pin"), [0, 1, 0, 1, 0, 1, 2]);
}

#[tokio::test]
async fn a_rate_and_a_duration_are_kept() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    let before = Instant::now();
    return_value(bench.run(&emulation(), args(&proxy, json!({ "rows": 6, "rate": 10 }))).await);
    let requests = proxy.requests();
    let took = requests[requests.len() - 1].at - before;
    assert!(took >= Duration::from_millis(500), "six rounds at ten a second took {took:?}");
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    let more = json!({ "order": "random", "rate": 50, "duration": "2s" });
    let mut args = args(&proxy, more);
    args.as_object_mut().unwrap().remove("rows");
    args["duration"] = json!(2);
    let report = return_value(bench.run(&emulation(), args).await);
    let rows = report["pin"]["rows"].as_u64().unwrap();
    assert!((1..=101).contains(&rows), "{rows} rounds within 2 s at 50 a second");
}

#[tokio::test]
async fn lines_that_are_not_json_are_left_out() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    bench.file("source/pin.jsonl", "{\"index\":0}\nbroken\n{\"index\":2}\n");
    bench.file("source/geo.jsonl", "{\"ind\":0}\n");
    bench.file("source/user.jsonl", "");
    let more = json!({ "source": "source", "max_broken_share": 1, "batch": 5 });
    let report = return_value(bench.run(&emulation(), args(&proxy, more)).await);
    assert_eq!(numbers(&proxy, "pin"), [0, 2]);
    let expected = json!({ "rows": 2, "requests": 1, "broken": 1, "broken_lines": [2], "left_out": 1 });
    assert_eq!(report["pin"], expected);
    assert_eq!(report["user"], json!({ "rows": 0, "requests": 0, "broken": 0 }));
}

#[tokio::test]
async fn secrets_are_sent_and_not_said() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    let variables =
        [("GATEWAY_KEY".to_owned(), "hush-hush".to_owned()), ("GATEWAY".to_owned(), proxy.url() + "?k=hush")];
    let emulation = emulation().with_environment(Environment::of(variables));
    let sink = json!({ "kafka_rest": { "url_env": "GATEWAY", "headers_env": { "x-api-key": "GATEWAY_KEY" } } });
    proxy.moods([Some(Mood::Status(503)), None, Some(Mood::Status(400))]);
    let error = bench.run(&emulation, json!({ "sink": sink, "rows": 1 })).await.unwrap_err().to_string();
    assert_eq!(proxy.requests()[0].headers["x-api-key"], "hush-hush");
    let log = bench.log_text();
    assert!(!error.contains("hush") && !log.contains("hush"), "{error}\n{log}");
    let sink = json!({ "kafka_rest": { "url_env": "UPDRAFT_SECRET_KEY" } });
    let error = bench.run(&emulation, json!({ "sink": sink })).await.unwrap_err().to_string();
    assert!(error.contains("is a setting of Updraft"), "{error}");
}

#[tokio::test]
async fn arguments_that_do_not_go_together_are_refused() {
    let proxy = Proxy::start(USER).await;
    for (more, words) in [
        (json!({ "rate": 5, "pause": "1s" }), "`rate` and `pause`"),
        (json!({ "flush_size": 5 }), "`flush_size` is for folders and buckets"),
        (json!({ "offsets": "continue" }), "`offsets` is for folders and buckets"),
        (json!({ "batch": 0 }), "`batch` is 0"),
        (json!({ "concurrency": 5000 }), "`concurrency` is 5000"),
        (json!({ "rate": 0 }), "`rate` is 0"),
        (json!({ "draw_from": 5 }), "`draw_from` is for `order: random`"),
        (json!({ "sink": "lake", "batch": 5 }), "`batch` is for requests"),
    ] {
        let error = Bench::new().run(&emulation(), args(&proxy, more)).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail);
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(proxy.requests().len(), 0);
}

#[tokio::test]
async fn a_cancelled_emulation_stops_soon_and_can_go_on() {
    let (bench, proxy) = (Bench::new(), Proxy::start(USER).await);
    proxy.moods([None, None, Some(Mood::Hang)]);
    let (emulation, cancelled) = (emulation(), bench.ctx.cancelled.clone());
    let (ended, ()) = tokio::join!(bench.run(&emulation, args(&proxy, json!({}))), async {
        proxy.hanging().await;
        cancelled.cancel();
    });
    assert_eq!(ended.unwrap_err().verdict, Verdict::Cancelled);
    let kept = bench.ctx.checkpoint.load().await.unwrap().unwrap();
    assert_eq!(kept["done"], json!([1, 1, 0]));
    assert_eq!(kept["reserved"], json!([1, 1, 1]));
}
