//! The rows that `source: sample` makes up: dirty as the real ones, and the same for ever.

use std::collections::{BTreeMap, BTreeSet};

use operators::emulation::Emulation;
use operators::location::S3;
use serde_json::{Map, Value, json};

use crate::support::{Bench, return_value};

const NO_TAGS: &str = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e";
const STORY: &str = "multi-video(story page format)";
const ERROR: &str = "User Info Error";

type Row = Map<String, Value>;

struct Tables {
    pin: Vec<Row>,
    geo: Vec<Row>,
    user: Vec<Row>,
    text: String,
}

/// All rows in one object a table, which is quicker to write than an object a row.
async fn sample(rows: u64, seed: u64) -> Tables {
    let bench = Bench::new();
    let args = json!({ "rows": rows, "seed": seed, "flush_size": rows });
    return_value(bench.run(&Emulation::new(S3::from_variables([])), args).await);
    let mut text = String::new();
    let mut read = |table: &str| -> Vec<Row> {
        let topic = format!("0a3db223d459.{table}");
        let path = bench.home().join(format!("lake/topics/{topic}/partition=0/{topic}+0+0000000000.json"));
        let content = std::fs::read_to_string(path).unwrap();
        text.push_str(&content);
        content.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (pin, geo, user) = (read("pin"), read("geo"), read("user"));
    Tables { pin, geo, user, text }
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row[column].as_str().unwrap_or_else(|| panic!("{column} of {row:?} is text"))
}

/// The share of rows, in per cent.
#[expect(clippy::cast_precision_loss, reason = "there are few rows")]
fn percent(rows: &[Row], is: impl Fn(&Row) -> bool) -> f64 {
    rows.iter().filter(|row| is(row)).count() as f64 * 100.0 / rows.len() as f64
}

#[track_caller]
fn near(what: &str, percent: f64, low: f64, high: f64) {
    assert!((low..=high).contains(&percent), "{what}: {percent:.2} % is not within {low} to {high}");
}

#[tokio::test]
async fn columns_are_those_of_the_source_in_their_order() {
    let tables = sample(50, 1).await;
    let columns = |row: &Row| row.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(
        columns(&tables.pin[7]),
        "index unique_id title description poster_name follower_count tag_list is_image_or_video image_src downloaded \
         save_location category"
    );
    assert_eq!(columns(&tables.geo[7]), "ind timestamp latitude longitude country");
    assert_eq!(columns(&tables.user[7]), "ind first_name last_name age date_joined");
    for (index, ((pin, geo), user)) in tables.pin.iter().zip(&tables.geo).zip(&tables.user).enumerate() {
        assert_eq!((&pin["index"], &geo["ind"], &user["ind"]), (&json!(index), &json!(index), &json!(index)));
    }
}

#[tokio::test]
async fn a_seed_makes_the_same_rows_for_ever() {
    let first = sample(300, 100).await.text;
    assert_eq!(first, sample(300, 100).await.text);
    assert_ne!(first, sample(300, 101).await.text);
    // Known since the first version: whoever changes this changes what everybody's seeds mean.
    let fingerprint = first
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(format!("{fingerprint:016x}"), "5545eda767d08ed4");
}

#[tokio::test]
async fn markers_stand_where_they_do_in_the_real_rows() {
    let Tables { pin, .. } = sample(11_154, 100).await;
    near("stories", percent(&pin, |row| text(row, "is_image_or_video") == STORY), 6.6, 8.2);
    near("videos", percent(&pin, |row| text(row, "is_image_or_video") == "video"), 2.3, 3.5);
    near("posters lost", percent(&pin, |row| text(row, "poster_name") == ERROR), 0.5, 0.95);
    near("descriptions lost", percent(&pin, |row| text(row, "description") == "No description available"), 1.2, 2.0);
    near("tags lost", percent(&pin, |row| text(row, "tag_list") == NO_TAGS), 1.1, 1.9);
    near("images lost", percent(&pin, |row| text(row, "image_src") == "Image src error."), 1.8, 2.8);
    for row in &pin {
        let lost = text(row, "poster_name") == ERROR;
        assert_eq!(text(row, "follower_count") == ERROR, lost, "{row:?}");
        assert_eq!(text(row, "title") == "No Title Data Available", lost, "{row:?}");
        assert!(!lost || text(row, "is_image_or_video") == STORY, "{row:?}");
        let story = text(row, "description") == "No description available Story format";
        assert_eq!(story, text(row, "is_image_or_video") == STORY, "{row:?}");
        assert_eq!(row["downloaded"] == json!(0), text(row, "image_src") == "Image src error.", "{row:?}");
    }
    let count = |column: &str, value: &str| pin.iter().filter(|row| text(row, column) == value).count();
    assert_eq!((count("title", ""), count("description", "Untitled")), (1, 1));
    assert_eq!(text(&pin[5658], "title"), "");
}

#[tokio::test]
async fn texts_and_counts_are_as_odd_as_the_real_ones() {
    let Tables { pin, .. } = sample(11_154, 100).await;
    let words = |row: &Row| format!("{} {}", text(row, "title"), text(row, "description"));
    near("beyond ASCII", percent(&pin, |row| !words(row).is_ascii()), 46.0, 52.0);
    let wide = |row: &Row| words(row).chars().any(|sign| u32::from(sign) > 0xffff);
    near("beyond the BMP", percent(&pin, wide), 1.4, 2.3);
    near("double quotes", percent(&pin, |row| words(row).contains('"')), 2.4, 3.6);
    near("curly quotes", percent(&pin, |row| words(row).contains(['’', '“'])), 5.0, 20.0);
    assert!(pin.iter().any(|row| words(row).contains('\\')));
    assert!(pin.iter().all(|row| !words(row).contains('\n')));

    let suffix = |row: &Row, suffix: char| text(row, "follower_count").ends_with(suffix);
    near("thousands", percent(&pin, |row| suffix(row, 'k')), 70.0, 78.0);
    near("millions", percent(&pin, |row| suffix(row, 'M')), 5.5, 10.5);
    near("plain counts", percent(&pin, |row| text(row, "follower_count").parse::<u64>().is_ok()), 14.0, 20.0);
    for row in &pin {
        let count = text(row, "follower_count");
        let digits = count.strip_suffix(['k', 'M']).unwrap_or(count);
        assert!(count == ERROR || digits.parse::<u64>().is_ok_and(|number| number < 1000), "{count}");
        assert_eq!(text(row, "save_location"), format!("Local save in /data/{}", text(row, "category")));
        let id = uuid::Uuid::parse_str(text(row, "unique_id")).unwrap();
        assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
    }
    let ids: BTreeSet<_> = pin.iter().map(|row| text(row, "unique_id")).collect();
    assert_eq!(ids.len(), pin.len());
    let categories: Vec<_> = pin.iter().map(|row| text(row, "category")).collect();
    assert!(categories.is_sorted());
    assert_eq!(categories.iter().collect::<BTreeSet<_>>().len(), 13);
    assert_eq!(categories.iter().position(|&category| category == "vehicles"), Some(10_313));
    let bytes: usize = pin.iter().map(|row| serde_json::to_string(row).unwrap().len()).sum();
    assert!((600..900).contains(&(bytes / pin.len())), "{} bytes a row", bytes / pin.len());
}

#[tokio::test]
async fn a_poster_has_one_identity_and_one_place_and_they_crowd() {
    let Tables { pin, geo, user, .. } = sample(11_154, 100).await;
    let mut people: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for ((pin, geo), user) in pin.iter().zip(&geo).zip(&user) {
        if text(pin, "poster_name") == ERROR {
            continue;
        }
        let identity = ["first_name", "last_name", "age", "date_joined"].map(|column| user[column].to_string());
        let place = ["country", "latitude", "longitude"].map(|column| geo[column].to_string());
        let seen = (identity.join("|"), place.join("|"));
        assert_eq!(people.entry(text(pin, "poster_name")).or_insert_with(|| seen.clone()), &seen);
    }
    assert!(people.len() > 3000, "{} posters", people.len());

    let age = |row: &Row| row["age"].as_u64().unwrap();
    assert!(user.iter().all(|row| (20..=60).contains(&age(row))));
    near("20 to 24", percent(&user, |row| age(row) <= 24), 38.0, 52.0);
    near("25 to 35", percent(&user, |row| (25..=35).contains(&age(row))), 22.0, 32.0);
    near("36 to 50", percent(&user, |row| (36..=50).contains(&age(row))), 14.0, 24.0);
    near("over 50", percent(&user, |row| age(row) > 50), 5.0, 13.0);
    for (year, low, high) in [("2015", 35.0, 50.0), ("2016", 33.0, 47.0), ("2017", 10.0, 22.0)] {
        near(year, percent(&user, |row| text(row, "date_joined").starts_with(year)), low, high);
    }
    let joined = |row: &Row| text(row, "date_joined").to_owned();
    assert!(user.iter().all(|row| ("2015-10-21".to_owned().."2017-10-21".to_owned()).contains(&joined(row))));
    let posted = |row: &Row| text(row, "timestamp").to_owned();
    assert!(geo.iter().all(|row| ("2017-10-19".to_owned().."2022-10-20".to_owned()).contains(&posted(row))));
    assert!(geo.iter().all(|row| posted(row).len() == 19 && posted(row).as_bytes()[10] == b' '));
    near("countries with A", percent(&geo, |row| text(row, "country").starts_with('A')), 40.0, 70.0);
    near("far south", percent(&geo, |row| row["latitude"].as_f64().unwrap() < -60.0), 40.0, 70.0);
    for row in &geo {
        for (column, limit) in [("latitude", 90.0), ("longitude", 180.0)] {
            let degrees = row[column].as_f64().unwrap();
            assert!(degrees.abs() <= limit);
            let digits = row[column].to_string().trim_start_matches(['-', '0', '.']).replace('.', "");
            assert!(digits.trim_end_matches('0').len() <= 6, "{column} {}", row[column]);
        }
    }
}

#[tokio::test]
async fn any_number_of_rows_works() {
    for rows in [1, 2, 13, 14, 1000, 4001] {
        let tables = sample(rows, 3).await;
        assert_eq!([tables.pin.len(), tables.geo.len(), tables.user.len()], [usize::try_from(rows).unwrap(); 3]);
    }
}
