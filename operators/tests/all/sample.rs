//! The generator: the same seed makes the same rows, and they are as dirty as real ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::{Value, json};

use crate::context::run;

async fn land(home: &Path, lake: &str, rows: u64, seed: u64) -> BTreeMap<&'static str, Vec<Value>> {
    let args = json!({ "source": "sample", "sink": lake, "rows": rows, "seed": seed, "flush_size": 100_000 });
    run("emulation", args, home).await;
    let tables = ["pin", "geo", "user"].map(|table| {
        let topic = format!("0a3db223d459.{table}");
        let path = home.join(lake).join("topics").join(&topic).join(format!("partition=0/{topic}+0+0000000000.json"));
        let text = std::fs::read_to_string(path).unwrap();
        (table, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    tables.into_iter().collect()
}

fn share(rows: &[Value], wanted: impl Fn(&Value) -> bool) -> f64 {
    rows.iter().filter(|row| wanted(row)).count() as f64 / rows.len() as f64
}

#[tokio::test]
async fn the_seed_decides_the_rows() {
    let home = tempfile::tempdir().unwrap();
    let first = land(home.path(), "a", 300, 7).await;
    assert_eq!(first, land(home.path(), "b", 300, 7).await);
    assert_ne!(first["pin"], land(home.path(), "c", 300, 8).await["pin"]);
    assert_eq!(first["geo"].len(), 300);
}

#[tokio::test]
async fn markers_occur_as_they_do_in_real_rows() {
    let home = tempfile::tempdir().unwrap();
    let tables = land(home.path(), "lake", 11_154, 100).await;
    let pins = &tables["pin"];
    let is = |column: &'static str, text: &'static str| move |row: &Value| row[column] == text;
    let near = |share: f64, expected: f64| assert!((share / expected - 1.0).abs() < 0.35, "{share} is far from {expected}");
    near(share(pins, is("is_image_or_video", "multi-video(story page format)")), 0.074);
    near(share(pins, is("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e")), 0.015);
    near(share(pins, is("image_src", "Image src error.")), 0.023);
    near(share(pins, is("title", "No Title Data Available")), 0.007);
    near(share(pins, |row| row["follower_count"].as_str().unwrap().ends_with('k')), 0.74);
    near(share(pins, |row| row["follower_count"].as_str().unwrap().ends_with('M')), 0.08);
    near(share(pins, |row| !format!("{}{}", row["title"], row["description"]).is_ascii()), 0.49);
    for row in pins {
        let is_story = row["is_image_or_video"] == "multi-video(story page format)";
        assert_eq!(is_story, row["description"] == "No description available Story format");
        assert_eq!(row["image_src"] == "Image src error.", row["downloaded"] == 0);
        assert_eq!(row["title"] == "No Title Data Available", row["poster_name"] == "User Info Error");
        assert_eq!(row["follower_count"] == "User Info Error", row["poster_name"] == "User Info Error");
        assert_eq!(row["save_location"], format!("Local save in /data/{}", row["category"].as_str().unwrap()));
    }
    let categories: Vec<&str> = pins.iter().map(|row| row["category"].as_str().unwrap()).collect();
    assert!(categories.is_sorted());
    assert_eq!(categories.iter().collect::<BTreeSet<_>>().len(), 13);
}

#[tokio::test]
async fn a_poster_is_one_person_in_one_place() {
    let home = tempfile::tempdir().unwrap();
    let tables = land(home.path(), "lake", 3_000, 100).await;
    let mut known: HashMap<&str, (Value, Value)> = HashMap::new();
    for ((pin, geo), user) in tables["pin"].iter().zip(&tables["geo"]).zip(&tables["user"]) {
        assert_eq!((&pin["index"], &geo["ind"]), (&user["ind"], &user["ind"]));
        let age = user["age"].as_i64().unwrap();
        assert!((20..=60).contains(&age));
        let person = json!([user["first_name"], user["last_name"], user["age"], user["date_joined"]]);
        let place = json!([geo["country"], geo["latitude"], geo["longitude"]]);
        let name = pin["poster_name"].as_str().unwrap();
        let first = known.entry(name).or_insert_with(|| (person.clone(), place.clone()));
        assert_eq!(*first, (person, place));
    }
    assert!(known.len() > 300, "{} posters", known.len());
}
