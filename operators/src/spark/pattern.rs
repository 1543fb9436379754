//! Patterns of dates and times as Java writes them: `dd/MM/yyyy`, `MMM d, yyyy`, `hh:mm a`, `yyyy'Q'q`.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use datafusion::common::exec_err;
use datafusion::error::Result;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// How much of their names is left in the short form.
const SHORT: usize = 3;

/// A pattern that was read.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Field(char, usize),
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn parse(pattern: &str) -> Result<Pattern> {
        let mut parts = Vec::new();
        let mut signs = pattern.chars().peekable();
        while let Some(sign) = signs.next() {
            if sign == '\'' {
                let mut text = String::new();
                while let Some(sign) = signs.next() {
                    match sign {
                        '\'' if signs.next_if_eq(&'\'').is_some() => text.push('\''),
                        '\'' => break,
                        other => text.push(other),
                    }
                }
                parts.push(Part::Text(if text.is_empty() { "'".to_owned() } else { text }));
            } else if sign.is_ascii_alphabetic() {
                let mut width = 1;
                while signs.next_if_eq(&sign).is_some() {
                    width += 1;
                }
                if !"yuMLdHhKkmsSaEDQqzZX".contains(sign) {
                    return exec_err!(
                        "the pattern `{pattern}` has `{sign}`; known are y M d H h m s S a E D Q and text in '…'"
                    );
                }
                parts.push(Part::Field(sign, width));
            } else {
                parts.push(Part::Text(sign.to_string()));
            }
        }
        Ok(Pattern(parts))
    }

    /// Writes an instant.
    pub(super) fn write(&self, at: NaiveDateTime) -> String {
        self.0.iter().fold(String::new(), |mut text, part| {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(letter, width) => text.push_str(&field(*letter, *width, at)),
            }
            text
        })
    }

    /// Reads an instant; none if the text does not fit as a whole.
    pub(super) fn read(&self, text: &str) -> Option<NaiveDateTime> {
        let mut found = Found::default();
        let mut rest = text;
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Text(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Field(letter, width) => {
                    // Digits end where the next field of digits begins.
                    let is_adjacent = matches!(self.0.get(at + 1), Some(Part::Field(..)));
                    rest = found.take(*letter, *width, rest, is_adjacent)?;
                }
            }
        }
        if rest.is_empty() { found.instant() } else { None }
    }
}

fn field(letter: char, width: usize, at: NaiveDateTime) -> String {
    let padded = |number: u32| format!("{number:0width$}");
    let name = |name: &str, full: usize| if width >= full { name.to_owned() } else { name[..SHORT].to_owned() };
    match letter {
        'y' | 'u' if width == 2 => format!("{:02}", at.year().rem_euclid(100)),
        'y' | 'u' => format!("{:0width$}", at.year()),
        'M' | 'L' if width >= 3 => name(MONTHS[at.month0() as usize], 4),
        'M' | 'L' => padded(at.month()),
        'd' => padded(at.day()),
        'D' => padded(at.ordinal()),
        'Q' | 'q' => padded(at.month0() / 3 + 1),
        'E' => name(DAYS[at.weekday().num_days_from_sunday() as usize], 4),
        'H' => padded(at.hour()),
        'k' => padded(if at.hour() == 0 { 24 } else { at.hour() }),
        'K' => padded(at.hour() % 12),
        'h' => padded(at.hour12().1),
        'm' => padded(at.minute()),
        's' => padded(at.second()),
        'S' => format!("{:09}", at.nanosecond())[..width.min(9)].to_owned(),
        'a' => if at.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        'z' => "UTC".to_owned(),
        'Z' => "+0000".to_owned(),
        _ => "Z".to_owned(),
    }
}

/// What was read so far.
#[derive(Default)]
struct Found {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    is_afternoon: Option<bool>,
}

impl Found {
    /// Reads a field from the beginning of a text; answers with what is left of it.
    fn take<'a>(&mut self, letter: char, width: usize, text: &'a str, is_adjacent: bool) -> Option<&'a str> {
        if letter == 'a' {
            let (half, rest) = (text.get(..2)?, text.get(2..)?);
            self.is_afternoon = Some(half.eq_ignore_ascii_case("PM"));
            return (half.eq_ignore_ascii_case("AM") || half.eq_ignore_ascii_case("PM")).then_some(rest);
        }
        if matches!(letter, 'M' | 'L') && width >= 3 {
            let named = |name: &&str| {
                let name = if width >= 4 { name } else { &name[..SHORT] };
                text.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
            };
            let month = MONTHS.iter().position(named)?;
            self.month = u32::try_from(month + 1).ok();
            return text.get(if width >= 4 { MONTHS[month].len() } else { SHORT }..);
        }
        let most = match (letter, width) {
            ('S', _) => width,
            _ if is_adjacent => width,
            ('y' | 'u', 1 | 4..) => width.max(6),
            (_, 1) => 2,
            _ => width,
        };
        let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if digits < width {
            return None;
        }
        let (number, rest) = (text[..digits].parse::<u32>().ok()?, &text[digits..]);
        match letter {
            'y' | 'u' if width == 2 => self.year = i32::try_from(2000 + number).ok(),
            'y' | 'u' => self.year = i32::try_from(number).ok(),
            'M' | 'L' => self.month = Some(number),
            'd' => self.day = Some(number),
            'H' | 'h' => self.hour = number,
            'm' => self.minute = number,
            's' => self.second = number,
            'S' => {
                self.nanos =
                    number.checked_mul(10_u32.checked_pow(9_u32.checked_sub(u32::try_from(digits).ok()?)?)?)?;
            }
            _ => return None,
        }
        Some(rest)
    }

    fn instant(&self) -> Option<NaiveDateTime> {
        let date = NaiveDate::from_ymd_opt(self.year.unwrap_or(1970), self.month.unwrap_or(1), self.day.unwrap_or(1))?;
        let hour = match self.is_afternoon {
            Some(_) if self.hour > 12 => return None,
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        Some(date.and_time(time))
    }
}
