//! Who posts what: the posters, and which row is whose.
//!
//! A poster has one identity and one place. In the real tables each of their columns holds the least of the values that
//! were once drawn for the poster's posts, which is why ages crowd at 20, countries at A, latitudes at -90. So do ours.

use super::dice::Dice;
use super::words::{CATEGORIES, COUNTRIES, FIRST_NAMES, LAST_NAMES, POSTERS, ROWS_REAL};

/// Of 1,000 posters, so many have so many posts.
const POSTS_OF_A_POSTER: [(u64, u64); 12] =
    [(1, 775), (2, 114), (3, 42), (4, 22), (5, 12), (6, 9), (8, 8), (11, 7), (17, 5), (28, 3), (60, 2), (140, 1)];

/// 2015-10-21 00:00:00 UTC.
const JOINED_FIRST: i64 = 1_445_385_600;

/// To the end of 2017-10-20.
const JOINED_SECONDS: u64 = 731 * 86_400;

/// Of 20 rows so many are by somebody who mostly posts elsewhere.
const GUESTS_PER_20: u64 = 1;

/// Somebody who posts.
pub(super) struct Poster {
    pub name: String,
    pub follower_count: String,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub age: u64,
    /// Seconds since 1970.
    pub date_joined: i64,
    pub country: &'static str,
    pub latitude: f64,
    pub longitude: f64,
}

/// Everybody, and whose each row is.
pub(super) struct Cast {
    pub posters: Vec<Poster>,
    /// The poster of each row.
    pub poster_of: Vec<u32>,
}

impl Cast {
    /// Casts `rows` rows. For each poster are drawn, in this order: the number of posts, the columns as in
    /// [`Poster`]; then each category's rows are shuffled; last come the guests.
    pub(super) fn new(rows: u64, dice: &mut Dice) -> Cast {
        let mut cast = Cast { posters: Vec::new(), poster_of: Vec::new() };
        for category in 0..CATEGORIES.len() {
            let begin = cast.poster_of.len();
            let end = category_start(category + 1, rows);
            while cast.poster_of.len() < end {
                let posts = posts(dice).min((end - cast.poster_of.len()) as u64);
                let number = u32::try_from(cast.posters.len()).unwrap_or(u32::MAX);
                cast.posters.push(poster(number, category, posts, dice));
                cast.poster_of.extend((0..posts).map(|_| number));
            }
            let own = &mut cast.poster_of[begin..];
            for last in (1..own.len()).rev() {
                own.swap(last, dice.index(last + 1));
            }
        }
        for row in 0..cast.poster_of.len() {
            if dice.below(20) < GUESTS_PER_20 {
                let other = dice.index(cast.poster_of.len());
                cast.poster_of.swap(row, other);
            }
        }
        cast
    }

    /// Whose row it is.
    pub(super) fn poster(&self, row: usize) -> &Poster {
        &self.posters[self.poster_of[row] as usize]
    }
}

/// The category of a row: all have their share, in the real table's order.
pub(super) fn category_of(row: u64, rows: u64) -> usize {
    let real = row * ROWS_REAL / rows;
    CATEGORIES.iter().rposition(|category| category.start <= real).unwrap_or_default()
}

/// The first row of a category, or the number of rows behind the last one.
fn category_start(category: usize, rows: u64) -> usize {
    let start = CATEGORIES.get(category).map_or(ROWS_REAL, |category| category.start);
    usize::try_from((start * rows).div_ceil(ROWS_REAL)).unwrap_or(usize::MAX)
}

fn posts(dice: &mut Dice) -> u64 {
    let mut left = dice.below(1000);
    for (posts, share) in POSTS_OF_A_POSTER {
        if left < share {
            return posts;
        }
        left -= share;
    }
    1
}

fn poster(number: u32, category: usize, posts: u64, dice: &mut Dice) -> Poster {
    let word = dice.pick(CATEGORIES[category].words);
    let end = dice.pick(&POSTERS);
    // Names are unique: people are told apart by them.
    let name = format!("{word} {end} {number}");
    Poster {
        name,
        follower_count: follower_count(dice),
        first_name: FIRST_NAMES[least_index(dice, FIRST_NAMES.len(), posts)],
        last_name: LAST_NAMES[least_index(dice, LAST_NAMES.len(), posts)],
        age: 20 + dice.least(41, posts),
        date_joined: JOINED_FIRST + dice.least(JOINED_SECONDS, posts).cast_signed(),
        country: COUNTRIES[least_index(dice, COUNTRIES.len(), posts)],
        latitude: degrees(dice, 90, posts),
        longitude: degrees(dice, 180, posts),
    }
}

fn least_index(dice: &mut Dice, length: usize, posts: u64) -> usize {
    usize::try_from(dice.least(length as u64, posts)).unwrap_or_default()
}

/// A whole number, a whole number of thousands, or of millions; never a decimal.
fn follower_count(dice: &mut Dice) -> String {
    match dice.below(1000) {
        0..172 => dice.below(1000).to_string(),
        172..920 => format!("{}k", 1 + dice.least(999, 3)),
        _ => format!("{}M", 1 + dice.least(30, 2)),
    }
}

/// Between `-limit` and `limit`, with the six significant digits that `MySQL` prints of a FLOAT.
fn degrees(dice: &mut Dice, limit: u64, posts: u64) -> f64 {
    let millionths = dice.least(2 * limit * 1_000_000 + 1, posts).cast_signed() - (limit * 1_000_000).cast_signed();
    six_digits(millionths)
}

/// Whole numbers until the last step, which is exact enough to print those digits and no more.
#[expect(clippy::cast_precision_loss, reason = "180 million is far below 2^52")]
fn six_digits(millionths: i64) -> f64 {
    let digits = millionths.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
    let unit = 10_i64.pow(digits.saturating_sub(6));
    let half = unit / 2 * millionths.signum();
    ((millionths + half) / unit * unit) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_have_six_digits() {
        for (millionths, printed) in [
            (-89_978_712, "-89.9787"),
            (-173_293_499, "-173.293"),
            (6_462_030, "6.46203"),
            (9_999_999, "10.0"),
            (-180_000_000, "-180.0"),
            (0, "0.0"),
            (123, "0.000123"),
        ] {
            assert_eq!(serde_json::to_string(&six_digits(millionths)).unwrap(), printed);
        }
    }

    #[test]
    fn categories_have_their_real_share() {
        for (row, rows, name) in [
            (0, 11_154, "art"),
            (892, 11_154, "art"),
            (893, 11_154, "beauty"),
            (11_153, 11_154, "vehicles"),
            (0, 1, "art"),
            (99, 100, "vehicles"),
            (8, 100, "art"),
            (9, 100, "beauty"),
        ] {
            assert_eq!(CATEGORIES[category_of(row, rows)].name, name, "{row} of {rows}");
        }
        for rows in [1, 7, 13, 500, 11_154, 20_000] {
            for category in 0..CATEGORIES.len() {
                let own = category_start(category, rows)..category_start(category + 1, rows);
                assert!(own.clone().all(|row| category_of(row as u64, rows) == category), "{own:?} of {rows}");
            }
        }
    }
}
