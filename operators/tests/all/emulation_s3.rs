//! `emulation` with S3 on either side.

use operators::emulation::Emulation;
use operators::location::S3;
use scheduler::operator::Verdict;
use serde_json::json;

use crate::moto::Moto;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_round_through_a_bucket_and_replace_older_ones() {
    let moto = Moto::start();
    moto.make_bucket("user-bucket").await;
    let emulation = Emulation::new(moto.settings());
    let bench = Bench::new();
    let lake = "s3://user-bucket/lake";

    let report = return_value(bench.run(&emulation, json!({ "sink": lake, "rows": 30 })).await);
    assert_eq!(report["location"], json!(lake));
    assert_eq!(moto.objects(lake).await.len(), 90);

    return_value(bench.run(&emulation, json!({ "sink": lake, "rows": 4, "seed": 7 })).await);
    let objects = moto.objects(lake).await;
    assert_eq!(objects.len(), 12);
    let first = format!("lake/topics/{USER}.geo/partition=0/{USER}.geo+0+0000000000.json");
    assert_eq!(objects[0].0, first);

    // The same rows on disk are the same bytes.
    return_value(bench.run(&emulation, json!({ "sink": "local", "rows": 4, "seed": 7 })).await);
    for (key, content) in objects {
        let path = bench.home().join("local").join(key.strip_prefix("lake/").unwrap());
        assert_eq!(std::fs::read_to_string(path).unwrap(), content);
    }
}

/// Rows may be posted at leisure, and no answer of a server waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_taken_piece_by_piece() {
    let moto = Moto::start();
    moto.make_bucket("user-bucket").await;
    let bench = Bench::new();
    let rows = 30_000;
    for (table, key) in [("pin", "index"), ("geo", "ind"), ("user", "ind")] {
        let line = |n: usize| format!("{{\"{key}\": {n}, \"text\": \"{:0>90}\"}}\n", n % 97);
        bench.file(&format!("rows/{table}.jsonl"), (0..rows).map(line).collect::<String>());
    }
    assert!(std::fs::metadata(bench.home().join("rows/pin.jsonl")).unwrap().len() > 3_000_000);
    moto.upload("s3://user-bucket/rows", &bench.home().join("rows")).await;
    let args = json!({ "source": "s3://user-bucket/rows", "sink": "lake", "flush_size": rows });
    let report = return_value(bench.run(&Emulation::new(moto.settings()), args).await);
    assert_eq!(report["pin"]["rows"], rows);
    let landed = bench.home().join(format!("lake/topics/{USER}.pin/partition=0/{USER}.pin+0+0000000000.json"));
    let source = bench.home().join("rows/pin.jsonl");
    assert!(std::fs::read(landed).unwrap() == std::fs::read(source).unwrap());
}

/// CSV is copied first, and posted from the copy.
#[tokio::test(flavor = "multi_thread")]
async fn sheets_in_a_bucket_are_a_source() {
    let moto = Moto::start();
    moto.make_bucket("user-bucket").await;
    let bench = Bench::new();
    for (table, key) in [("pin", "index"), ("geo", "ind"), ("user", "ind")] {
        bench.file(&format!("sheets/{table}.csv"), format!("{key},text\n1,\"a, b\"\n2,\n"));
    }
    moto.upload("s3://user-bucket/sheets", &bench.home().join("sheets")).await;
    let args = json!({ "source": "s3://user-bucket/sheets", "sink": "lake", "flush_size": 2 });
    let report = return_value(bench.run(&Emulation::new(moto.settings()), args).await);
    assert_eq!(report["pin"]["rows"], 2);
    let landed = bench.home().join(format!("lake/topics/{USER}.pin/partition=0/{USER}.pin+0+0000000000.json"));
    let rows = std::fs::read_to_string(landed).unwrap();
    assert_eq!(rows, "{\"index\":1,\"text\":\"a, b\"}\n{\"index\":2,\"text\":null}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_a_source_like_a_folder() {
    let moto = Moto::start();
    moto.make_bucket("source").await;
    let emulation = Emulation::new(moto.settings());
    let bench = Bench::new();
    bench.file("rows/pin.jsonl", "{\"index\":0}\nbroken\n{\"index\":1}\n");
    bench.file("rows/geo.jsonl", "{\"ind\":0}\n");
    bench.file("rows/user.jsonl", "{\"ind\":0}\n");
    moto.upload("s3://source/rows", &bench.home().join("rows")).await;
    let args = json!({ "source": "s3://source/rows/", "max_broken_share": 1 });
    let report = return_value(bench.run(&emulation, args).await);
    assert_eq!(report["pin"], json!({ "rows": 3, "objects": 3, "broken": 1, "broken_lines": [2] }));

    let error = bench.run(&emulation, json!({ "source": "s3://source/nowhere" })).await.unwrap_err();
    assert!(error.to_string().contains("s3://source/nowhere has no pin.jsonl"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_one_clear_error() {
    let moto = Moto::start();
    let emulation = Emulation::new(moto.settings());
    let bench = Bench::new();
    for args in [json!({ "sink": "s3://nobody/lake", "rows": 2 }), json!({ "source": "s3://nobody/rows" })] {
        let error = bench.run(&emulation, args).await.unwrap_err();
        assert_eq!(error.verdict, Verdict::Fail, "{error}");
        assert!(error.to_string().contains("the bucket of s3://nobody"), "{error}");
        assert!(error.to_string().contains("does not exist"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_short_error() {
    // Nothing listens on port 9 of this machine, and no secret comes back.
    let variables =
        [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "hush")];
    let settings = S3::from_variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let args = json!({ "sink": "s3://bucket/lake", "rows": 2 });
    let error = Bench::new().run(&Emulation::new(settings), args).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Retry);
    let expected = "cannot reach s3://bucket/lake/topics: there is no answer from `http://127.0.0.1:9` (Connection refused (os \
                    error 111)): look whether it is up, and at its address: `endpoint_url` of the connection, or AWS_ENDPOINT_URL";
    assert_eq!(error.to_string(), expected);
}
