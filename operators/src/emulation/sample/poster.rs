//! Who posts: one identity and one place for each name.

use chrono::NaiveDateTime;

use super::draw::Draw;
use super::midnight;
use super::words::{COUNTRIES, FIRST_NAMES, LAST_NAMES, NAME_ENDINGS, TOPICS};

/// Which poster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosterId {
    /// One of many.
    Known(u64),
    /// The one that stands for all whom the scraper could not read.
    Unknown,
}

/// A poster, as the three tables show it.
pub struct Poster {
    id: PosterId,
    draw: Draw,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub age: u8,
    pub date_joined: NaiveDateTime,
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
}

impl Poster {
    /// The poster with this number; `start` is where everything of the seed begins.
    pub fn new(id: PosterId, start: &Draw) -> Poster {
        let mut draw = match id {
            PosterId::Known(number) => start.of_poster(number),
            PosterId::Unknown => start.of_poster(u64::MAX >> 1),
        };
        // Each of these is the smallest over so many posts.
        let posts = if draw.chance(0.45) { 1 } else { 2 + draw.below(12) };
        let mut least = |mut choose: Box<dyn FnMut(&mut Draw) -> f64>| {
            (0..posts).map(|_| choose(&mut draw)).fold(f64::INFINITY, f64::min)
        };
        let age = least(Box::new(|draw| 20.0 + 41.0 * draw.unit()));
        let joined = least(Box::new(Draw::unit));
        let country = least(Box::new(Draw::unit));
        let latitude = least(Box::new(|draw| 180.0 * draw.unit() - 90.0));
        let longitude = least(Box::new(|draw| 360.0 * draw.unit() - 180.0));
        let (first_name, last_name) = (*draw.pick(FIRST_NAMES), *draw.pick(LAST_NAMES));
        Poster {
            id,
            first_name,
            last_name,
            age: whole_years(age),
            date_joined: joined_at(joined),
            country: COUNTRIES[index(country, COUNTRIES.len())],
            latitude: six_digits(latitude),
            longitude: six_digits(longitude),
            draw,
        }
    }

    /// The name that the poster goes by; the number keeps it apart from all others.
    pub fn name(&self) -> String {
        let mut draw = self.draw.clone();
        let (topic, ending) = (draw.pick(TOPICS), draw.pick(NAME_ENDINGS));
        match self.id {
            PosterId::Known(number) => format!("{topic} {ending} {number}"),
            PosterId::Unknown => super::NO_USER.to_owned(),
        }
    }

    /// A count below 1000, or thousands, or millions.
    pub fn follower_count(&self) -> String {
        let mut draw = self.draw.clone();
        let kind = draw.unit();
        if kind < 0.18 {
            return draw.below(1000).to_string();
        }
        // Small ones are more frequent.
        let size = draw.unit() * draw.unit();
        if kind < 0.92 {
            format!("{}k", 1 + super::scale(size, 999))
        } else {
            format!("{}M", 1 + super::scale(size, 9))
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "20 to 60")]
fn whole_years(age: f64) -> u8 {
    (age as u8).clamp(20, 60)
}

fn joined_at(share: f64) -> NaiveDateTime {
    let (first, end) = (midnight(2015, 10, 21), midnight(2017, 10, 21));
    let span = (end - first).num_seconds().unsigned_abs();
    let seconds = i64::try_from(super::scale(share, span)).unwrap_or_default();
    super::at_second(first.and_utc().timestamp() + seconds)
}

fn index(share: f64, length: usize) -> usize {
    usize::try_from(super::scale(share, length as u64)).unwrap_or_default()
}

/// As a database prints a number of single precision.
fn six_digits(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}
