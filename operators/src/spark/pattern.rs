//! Patterns of dates and times as Java writes them: `dd/MM/yyyy`, `MMM d, yyyy`, `hh:mm a`, `yyyy'Q'q`.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use datafusion::common::exec_err;
use datafusion::error::Result;

use super::timestamp::{Zone, parse_zone};

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
    zone: Option<Zone>,
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
        if matches!(letter, 'X' | 'Z' | 'z') {
            let belongs = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '+' | '-' | ':' | '/' | '_');
            let end = text.find(|sign: char| !belongs(sign)).unwrap_or(text.len());
            let (zone, rest) = text.split_at(end);
            let read = if letter == 'z' { parse_zone(zone) } else { offset(letter, width, zone) };
            self.zone = Some(read.filter(|_| !zone.is_empty())?);
            return Some(rest);
        }
        let most = match (letter, width) {
            ('S', _) => width,
            _ if is_adjacent => width,
            ('y' | 'u', 1 | 4..) => width.max(6),
            (_, 1) => 2,
            _ => width,
        };
        let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
        // Fewer digits of a fraction will do.
        let least = if letter == 'S' { 1 } else { width };
        if digits < least {
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
        let local = date.and_time(time);
        match &self.zone {
            None => Some(local),
            Some(zone) => DateTime::from_timestamp_micros(zone.micros(local)?).map(|at| at.naive_utc()),
        }
    }
}

/// How far a zone is from UTC, written as the letter has it: `X` is `+01`, `+0130` or `Z`, `XX` is `+0130`, `XXX` is `+01:30`,
/// and `Z` is `+0130`.
fn offset(letter: char, width: usize, text: &str) -> Option<Zone> {
    if text == "Z" {
        return (letter == 'X' || width == 5).then_some(Zone::OffsetSeconds(0));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &text[1..];
    let (hours, minutes) = match (letter, width) {
        ('X', 3) | ('Z', 5) => digits.split_once(':')?,
        ('X', 1) if digits.len() == 2 => (digits, "00"),
        ('X', 1 | 2) | ('Z', 1..=3) => digits.split_at_checked(2)?,
        _ => return None,
    };
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse::<i32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes <= 59).then_some(Zone::OffsetSeconds(sign * (hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Option<String> {
        Pattern::parse(pattern).unwrap().read(text).map(|at| at.to_string())
    }

    #[test]
    fn a_zone_at_the_end_is_converted_from() {
        let at_ten = Some("2018-03-04 10:00:00".to_owned());
        for (zone, written) in [
            ("X", "Z"),
            ("X", "+02"),
            ("X", "-0130"),
            ("XX", "+0200"),
            ("XXX", "+02:00"),
            ("XXX", "Z"),
            ("Z", "+0200"),
            ("z", "UTC"),
            ("z", "Europe/Athens"),
        ] {
            let hour = match written {
                "Z" | "UTC" => "10:00",
                "-0130" => "08:30",
                _ => "12:00",
            };
            let text = format!("2018-03-04T{hour}:00{written}");
            assert_eq!(read(&format!("yyyy-MM-dd'T'HH:mm:ss{zone}"), &text), at_ten, "{zone} {written}");
        }
        for (zone, written) in [("X", "02"), ("XXX", "+0200"), ("Z", "Z"), ("X", ""), ("z", "nowhere")] {
            let text = format!("2018-03-04T10:00:00{written}");
            assert_eq!(read(&format!("yyyy-MM-dd'T'HH:mm:ss{zone}"), &text), None, "{zone} {written}");
        }
    }

    #[test]
    fn a_fraction_may_have_fewer_digits_than_its_pattern() {
        let pattern = "yyyy-MM-dd HH:mm:ss.SSS";
        assert_eq!(read(pattern, "2018-03-04 05:06:07.5").unwrap(), "2018-03-04 05:06:07.500");
        assert_eq!(read(pattern, "2018-03-04 05:06:07.1234"), None);
        assert_eq!(read(pattern, "2018-03-04 05:06:07."), None);
    }
}
