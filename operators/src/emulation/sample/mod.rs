//! Generated rows of the three source tables, as dirty as real ones.
//!
//! Row `n` of the three tables is one post: what was posted, where, and by whom. Everything about a row follows from the
//! seed and its number, so that any part of any number of rows can be made alone, in any order.
//!
//! What is imitated, because cleaning and queries depend on it:
//!
//! * the markers that scrapers write in place of missing values, together as they occur (a story page has no
//!   description; where the poster is unknown, so are the title and the follower count);
//! * follower counts such as `136k` and `3M`; rows in the order of their category;
//! * a poster has one name, age, date of joining and place, each the smallest over the poster's posts, which is why
//!   countries crowd at the letter A and ages at 20;
//! * letters beyond ASCII in about half of the rows, quotes, now and then a backslash.

mod draw;
mod poster;
mod words;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::Serialize;

use super::source::SourceTable;
use draw::Draw;
use poster::{Poster, PosterId};
use words::{CATEGORIES, CLOSERS, SYMBOLS, TOPICS, WORDS};

/// Posts for every poster, on average.
const POSTS_PER_POSTER: u64 = 3;

/// In place of a title.
const NO_TITLE: &str = "No Title Data Available";
/// In place of a poster and of a follower count.
const NO_USER: &str = "User Info Error";
/// In place of a description.
const NO_DESCRIPTION: &str = "No description available";
/// In place of the description of a story page.
const NO_STORY_DESCRIPTION: &str = "No description available Story format";
/// In place of tags: a text that was joined letter by letter.
const NO_TAGS: &str = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e";
/// In place of the address of an image.
const NO_IMAGE: &str = "Image src error.";

#[derive(Serialize)]
struct PinRecord {
    index: u64,
    unique_id: String,
    title: String,
    description: String,
    poster_name: String,
    follower_count: String,
    tag_list: String,
    is_image_or_video: &'static str,
    image_src: String,
    downloaded: u8,
    save_location: String,
    category: &'static str,
}

#[derive(Serialize)]
struct GeoRecord<'a> {
    ind: u64,
    timestamp: String,
    latitude: f64,
    longitude: f64,
    country: &'a str,
}

#[derive(Serialize)]
struct UserRecord<'a> {
    ind: u64,
    first_name: &'a str,
    last_name: &'a str,
    age: u8,
    date_joined: String,
}

/// A generator of rows.
#[derive(Clone)]
pub struct Sample {
    rows: u64,
    start: Arc<Draw>,
}

impl Sample {
    /// The same `rows` and `seed` make the same rows.
    pub fn new(rows: u64, seed: u64) -> Sample {
        Sample { rows, start: Arc::new(Draw::new(seed)) }
    }

    /// A row as a JSON document.
    pub fn record(&self, table: SourceTable, row: u64) -> Vec<u8> {
        let mut draw = self.start.of_row(row);
        let is_story = draw.chance(0.074);
        let is_unknown = is_story && draw.chance(0.095);
        let poster = if is_unknown { PosterId::Unknown } else { self.poster_of(&mut draw) };
        let poster = Poster::new(poster, &self.start);
        let record = match table {
            SourceTable::Pin => serde_json::to_vec(&self.pin(row, draw, is_story, is_unknown, &poster)),
            SourceTable::Geo => serde_json::to_vec(&GeoRecord {
                ind: row,
                timestamp: iso(draw.between(first_post(), last_post())),
                latitude: poster.latitude,
                longitude: poster.longitude,
                country: poster.country,
            }),
            SourceTable::User => serde_json::to_vec(&UserRecord {
                ind: row,
                first_name: poster.first_name,
                last_name: poster.last_name,
                age: poster.age,
                date_joined: iso(poster.date_joined),
            }),
        };
        record.unwrap_or_default()
    }

    /// A few posters post much, most of them once.
    fn poster_of(&self, draw: &mut Draw) -> PosterId {
        let posters = self.rows.div_ceil(POSTS_PER_POSTER).max(1);
        let skewed = draw.unit() * draw.unit();
        PosterId::Known(scale(skewed, posters))
    }

    fn pin(&self, row: u64, mut draw: Draw, is_story: bool, is_unknown: bool, poster: &Poster) -> PinRecord {
        let category = category(row, self.rows);
        let is_video = !is_story && draw.chance(0.032);
        let is_downloaded = !draw.chance(0.023);
        PinRecord {
            index: row,
            unique_id: draw.uuid(),
            title: match () {
                () if is_unknown => NO_TITLE.to_owned(),
                // One title in the real table is empty, and in any larger one some more.
                () if row % 11_154 == 5_658 => String::new(),
                () => text(&mut draw, category, 4, 10),
            },
            description: match () {
                () if is_story => NO_STORY_DESCRIPTION.to_owned(),
                () if draw.chance(0.016) => NO_DESCRIPTION.to_owned(),
                () if draw.chance(0.0001) => "Untitled".to_owned(),
                () => text(&mut draw, category, 12, 40),
            },
            poster_name: if is_unknown { NO_USER.to_owned() } else { poster.name() },
            follower_count: if is_unknown { NO_USER.to_owned() } else { poster.follower_count() },
            tag_list: if draw.chance(0.015) { NO_TAGS.to_owned() } else { tags(&mut draw, category) },
            is_image_or_video: match () {
                () if is_story => "multi-video(story page format)",
                () if is_video => "video",
                () => "image",
            },
            image_src: if is_downloaded { image(&mut draw) } else { NO_IMAGE.to_owned() },
            downloaded: u8::from(is_downloaded),
            save_location: format!("Local save in /data/{category}"),
            category,
        }
    }
}

fn first_post() -> NaiveDateTime {
    midnight(2017, 10, 19)
}

fn last_post() -> NaiveDateTime {
    midnight(2022, 10, 19)
}

fn midnight(year: i32, month: u32, day: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default().and_time(chrono::NaiveTime::MIN)
}

fn iso(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// A share of `count`, below it.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
fn scale(share: f64, count: u64) -> u64 {
    ((share * count as f64) as u64).min(count.saturating_sub(1))
}

/// The category of a row: rows stand in the order of their categories.
fn category(row: u64, rows: u64) -> &'static str {
    let place = u128::from(row) * 11_154 / u128::from(rows.max(1));
    let at = CATEGORIES.partition_point(|(first, _)| u128::from(*first) <= place);
    CATEGORIES[at.saturating_sub(1)].1
}

fn text(draw: &mut Draw, category: &str, words_min: u64, words_max: u64) -> String {
    let count = words_min + draw.below(words_max - words_min + 1);
    let mut words: Vec<String> = (0..count).map(|_| (*draw.pick(WORDS)).to_owned()).collect();
    let place = usize::try_from(draw.below(count)).unwrap_or_default();
    if draw.chance(0.3) {
        words[place] = category.replace('-', " ");
    }
    if draw.chance(0.24) {
        words[place] = (*draw.pick(SYMBOLS)).to_owned();
    }
    if draw.chance(0.02) {
        words[place] = format!("\"{}\"", words[place]);
    }
    if draw.chance(0.0003) {
        words[place].push('\\');
    }
    let mut text = words.join(" ");
    let closer: &str = draw.pick::<&str>(CLOSERS);
    text.push_str(closer);
    text
}

fn tags(draw: &mut Draw, category: &str) -> String {
    let subject = category.replace('-', " ");
    let count = 3 + draw.below(6);
    let tags: Vec<String> = (0..count)
        .map(|_| match draw.chance(0.5) {
            true => format!("{} {subject}", draw.pick(WORDS)),
            false => format!("{} {}", draw.pick(TOPICS), draw.pick(WORDS)),
        })
        .collect();
    tags.join(",")
}

fn image(draw: &mut Draw) -> String {
    let name = draw.hex(32);
    format!("https://images.example/originals/{}/{}/{}/{name}.jpg", &name[..2], &name[2..4], &name[4..6])
}

/// Seconds since the epoch as a time without zone.
fn at_second(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc()
}
