//! `emulation` into a folder and into a bucket where offsets go on, and where a try is cut short.

use std::path::Path;

use operators::emulation::Emulation;
use operators::location::S3;
use serde_json::json;

use crate::moto::Moto;
use crate::support::{Bench, return_value};

const USER: &str = "0a3db223d459";

/// The offsets that the names of a topic's files say.
fn offsets(lake: &Path, table: &str) -> Vec<u64> {
    let folder = lake.join(format!("topics/{USER}.{table}/partition=0"));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let prefix = format!("{USER}.{table}+0+");
    let mut offsets: Vec<u64> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_prefix(&prefix).unwrap().strip_suffix(".json").unwrap().parse().unwrap())
        .collect();
    offsets.sort_unstable();
    offsets
}

#[tokio::test]
async fn offsets_go_on_after_the_last_record_of_a_folder() {
    let emulation = Emulation::new(S3::from_variables([]));
    let bench = Bench::new();
    let lake = bench.home().join("lake");
    return_value(bench.run(&emulation, json!({ "rows": 5, "flush_size": 3 })).await);
    assert_eq!(offsets(&lake, "pin"), [0, 3]);
    let next = Bench::new();
    let args = json!({ "sink": lake, "rows": 4, "seed": 7, "flush_size": 3, "offsets": "continue" });
    let report = return_value(next.run(&emulation, args.clone()).await);
    assert_eq!(report["geo"], json!({ "rows": 4, "objects": 2, "broken": 0 }));
    for table in ["pin", "geo", "user"] {
        assert_eq!(offsets(&lake, table), [0, 3, 5, 8], "{table}");
    }
    let hidden = std::fs::read_dir(lake.join("topics")).unwrap().count();
    assert_eq!(hidden, 3, "nothing is left of the landing");
    let first =
        std::fs::read_to_string(lake.join(format!("topics/{USER}.geo/partition=0/{USER}.geo+0+0000000005.json")));
    assert!(first.unwrap().starts_with("{\"ind\":0,"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_goes_on_in_a_folder_lands_nothing_twice() {
    let emulation = Emulation::new(S3::from_variables([]));
    let bench = Bench::new();
    let lake = bench.home().join("lake");
    return_value(Bench::new().run(&emulation, json!({ "sink": lake, "rows": 2 })).await);
    bench.file("rows/pin.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    bench.file("rows/geo.jsonl", "{}\n");
    bench.file("rows/user.jsonl", "{}\n");
    let args = json!({ "sink": lake, "source": "rows", "offsets": "continue" });
    // A topic that cannot be moved into its place makes the commit fail half-way: pin is there, geo is not.
    let geo = lake.join(format!("topics/{USER}.geo"));
    let aside = lake.join("geo-aside");
    std::fs::rename(&geo, &aside).unwrap();
    std::fs::write(&geo, "in the way").unwrap();
    let error = bench.run(&emulation, args.clone()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{USER}.geo")), "{error}");
    std::fs::remove_file(&geo).unwrap();
    std::fs::rename(&aside, &geo).unwrap();
    return_value(bench.run(&emulation, args.clone()).await);
    assert_eq!(offsets(&lake, "pin"), [0, 1, 2, 3]);
    assert_eq!(offsets(&lake, "geo"), [0, 1, 2]);
    // Made once more, the same run lands the same rows where they are.
    return_value(bench.run(&emulation, args.clone()).await);
    assert_eq!(offsets(&lake, "pin"), [0, 1, 2, 3]);
    // With other rows it is another emulation.
    bench.file("rows/pin.jsonl", "{\"n\":3}\n");
    return_value(bench.run(&emulation, args).await);
    assert_eq!(offsets(&lake, "pin"), [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_go_on_after_the_last_record_of_a_bucket() {
    let moto = Moto::start();
    moto.make_bucket("user-bucket").await;
    let emulation = Emulation::new(moto.settings());
    let lake = "s3://user-bucket/lake";
    for (seed, rows) in [(1, 5), (2, 4)] {
        let args = json!({ "sink": lake, "rows": rows, "seed": seed, "flush_size": 3, "offsets": "continue" });
        return_value(Bench::new().run(&emulation, args).await);
    }
    let objects = moto.objects(&format!("{lake}/topics/{USER}.user")).await;
    let names: Vec<&str> = objects.iter().map(|(key, _)| &key[key.len() - 15..key.len() - 5]).collect();
    assert_eq!(names, ["0000000000", "0000000003", "0000000005", "0000000008"]);
    assert_eq!(objects.iter().map(|(_, text)| text.lines().count()).collect::<Vec<_>>(), [3, 2, 3, 1]);
}
