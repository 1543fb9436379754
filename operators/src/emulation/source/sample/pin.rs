//! Posts, with everything that is wrong with the real ones.

use serde::Serialize;
use uuid::Builder;

use super::cast::Poster;
use super::dice::Dice;
use super::words::{BEYOND_ASCII, COMMON, Category, EMOJI, QUOTED};

/// What stands where nothing was found.
pub(super) const NO_TITLE: &str = "No Title Data Available";
const USER_ERROR: &str = "User Info Error";
const NO_DESCRIPTION: &str = "No description available";
const NO_DESCRIPTION_STORY: &str = "No description available Story format";
const NO_TAGS: &str = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e";
const NO_IMAGE: &str = "Image src error.";

const IMAGE: &str = "image";
const VIDEO: &str = "video";
const STORY: &str = "multi-video(story page format)";

/// Shares of 1,000 rows, as in the real table.
const STORIES: u64 = 74;
const VIDEOS: u64 = 29;
const NO_DESCRIPTIONS: u64 = 17;
const TAGS_LOST: u64 = 8;
const IMAGES_LOST: u64 = 16;

/// Of 1,000 stories, so many were read without their poster: 0.7 % of all rows.
const STORIES_WITHOUT_POSTER: u64 = 95;

/// Of 1,000 rows, so many have such signs in their texts.
const SIGNS_BEYOND_ASCII: u64 = 475;
const SIGNS_EMOJI: u64 = 18;
const SIGNS_QUOTED: u64 = 30;
const SIGNS_BACKSLASH_OF_10_000: u64 = 3;

/// A row of `pinterest_data`, in the order of its columns.
#[derive(Debug, Serialize)]
pub(super) struct Pin<'a> {
    pub index: u64,
    pub unique_id: String,
    pub title: String,
    pub description: String,
    pub poster_name: &'a str,
    pub follower_count: &'a str,
    pub tag_list: String,
    pub is_image_or_video: &'static str,
    pub image_src: String,
    pub downloaded: u8,
    pub save_location: String,
    pub category: &'static str,
}

/// The two rows that differ from all others in the real table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    /// The title is ''.
    EmptyTitle,
    /// The description is `Untitled`.
    Untitled,
}

impl<'a> Pin<'a> {
    /// Draws a row. The order of the draws is that of the lines below, whichever way each falls.
    pub(super) fn draw(
        index: u64,
        poster: &'a Poster,
        category: &Category,
        oddity: Option<Oddity>,
        dice: &mut Dice,
    ) -> Pin<'a> {
        let unique_id = Builder::from_random_bytes(dice.bytes()).into_uuid().to_string();
        let kind = dice.below(1000);
        let story = kind < STORIES && oddity.is_none();
        let video = (STORIES..STORIES + VIDEOS).contains(&kind);
        let lost_poster = dice.per_mille(STORIES_WITHOUT_POSTER) && story;
        let lost_description = dice.per_mille(NO_DESCRIPTIONS);
        let lost_tags = dice.per_mille(TAGS_LOST) || lost_poster;
        let lost_image = dice.per_mille(IMAGES_LOST) || lost_poster;
        let signs = signs(dice);
        let title = title(category, &signs, dice);
        let description = description(category, &signs, dice);
        let tag_list = tag_list(category, dice);
        let image_src = image_src(video, dice);
        Pin {
            index,
            unique_id,
            title: match oddity {
                Some(Oddity::EmptyTitle) => String::new(),
                _ if lost_poster => NO_TITLE.to_owned(),
                _ => title,
            },
            description: match oddity {
                Some(Oddity::Untitled) => "Untitled".to_owned(),
                _ if story => NO_DESCRIPTION_STORY.to_owned(),
                _ if lost_description => NO_DESCRIPTION.to_owned(),
                _ => description,
            },
            poster_name: if lost_poster { USER_ERROR } else { &poster.name },
            follower_count: if lost_poster { USER_ERROR } else { &poster.follower_count },
            tag_list: if lost_tags { NO_TAGS.to_owned() } else { tag_list },
            is_image_or_video: if story {
                STORY
            } else if video {
                VIDEO
            } else {
                IMAGE
            },
            image_src: if lost_image { NO_IMAGE.to_owned() } else { image_src },
            downloaded: u8::from(!lost_image),
            save_location: format!("Local save in /data/{}", category.name),
            category: category.name,
        }
    }
}

fn signs(dice: &mut Dice) -> String {
    let kind = dice.below(1000);
    let beyond = *dice.pick(&BEYOND_ASCII);
    let emoji = *dice.pick(&EMOJI);
    let quoted = *dice.pick(&QUOTED);
    if dice.below(10_000) < SIGNS_BACKSLASH_OF_10_000 {
        return "¯\\_(ツ)_/¯".to_owned();
    }
    match kind {
        ..SIGNS_BEYOND_ASCII => beyond.to_owned(),
        kind if kind < SIGNS_BEYOND_ASCII + SIGNS_EMOJI => emoji.to_owned(),
        kind if kind < SIGNS_BEYOND_ASCII + SIGNS_EMOJI + SIGNS_QUOTED => quoted.to_owned(),
        _ => String::new(),
    }
}

fn title(category: &Category, signs: &str, dice: &mut Dice) -> String {
    let count = 3 + dice.below(7);
    let mut title = words(category, count, dice);
    append(&mut title, signs);
    title
}

fn description(category: &Category, signs: &str, dice: &mut Dice) -> String {
    let count = 18 + dice.below(28);
    let mut description = words(category, count, dice);
    append(&mut description, signs);
    description.push('.');
    description
}

fn words(category: &Category, count: u64, dice: &mut Dice) -> String {
    let mut text = String::new();
    for position in 0..count {
        let own = *dice.pick(category.words);
        let common = *dice.pick(&COMMON);
        append(&mut text, if position % 3 == 0 { own } else { common });
    }
    text
}

fn append(text: &mut String, word: &str) {
    if !text.is_empty() && !word.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

fn tag_list(category: &Category, dice: &mut Dice) -> String {
    let count = 3 + dice.index(4).min(category.tags.len() - 3);
    let first = dice.index(category.tags.len());
    let tags: Vec<_> = category.tags.iter().cycle().skip(first).take(count).copied().collect();
    tags.join(",")
}

fn image_src(video: bool, dice: &mut Dice) -> String {
    let name = u128::from_le_bytes(dice.bytes());
    let name = format!("{name:032x}");
    let kind = if dice.per_mille(50) { "png" } else { "jpg" };
    let folder = if video { "videos/thumbnails/originals" } else { "originals" };
    format!("https://i.pinimg.com/{folder}/{}/{}/{}/{name}.{kind}", &name[..2], &name[2..4], &name[4..6])
}
