//! Instants as microseconds since 1970-01-01T00:00:00Z: reading every raw spelling of an export, writing the canonical one.
//!
//! Accepted (source: the forms collected from Web API, Synapse and SQL exports): `2022-05-12T22:19:12Z`, 0–7 fractional
//! digits, a blank instead of `T`, an offset `+02:00`, `+0200` or `+02`, or no zone at all, which then is the caller's.
//! `20220512221912`, as archives write it. Digits beyond microseconds are cut off, as SQL and Dataverse do. Nothing else
//! is guessed: a date like 2/6/2026 is only read in the order that the caller states ([`parse_ordered`]).

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// The years 1 to 9999: what every reader of the lake can show.
const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Reads an instant; a text without a zone is local time in `zone`. `None` when it is not a valid time.
pub fn parse(text: &str, zone: Tz) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() == 14 {
        return local(parse_digits(bytes)?, zone);
    }
    let (head, rest) = bytes.split_first_chunk::<19>()?;
    let (day, clock) = parse_head(head)?;
    let (fraction, rest) = parse_fraction(rest)?;
    let local = day * MICROS_PER_DAY + clock + fraction;
    match rest {
        b"Z" | b"z" | b"+00:00" => Some(local),
        b"" => self::local(local, zone),
        _ => Some(local - parse_offset(rest)?).filter(|on| YEARS.contains(on)),
    }
}

/// The instant of a local time, as micros since 1970 on the local clock.
fn local(local: i64, zone: Tz) -> Option<i64> {
    match zone {
        Tz::UTC => Some(local),
        _ => from_local(local, zone).filter(|on| YEARS.contains(on)),
    }
}

/// Local micros of `YYYYMMDDhhmmss`.
fn parse_digits(text: &[u8]) -> Option<i64> {
    let day = date(digits(&text[..4])?, digits(&text[4..6])?, digits(&text[6..8])?)?;
    let clock = clock_us(digits(&text[8..10])?, digits(&text[10..12])?, digits(&text[12..])?)?;
    Some(day * MICROS_PER_DAY + clock)
}

/// Day and micros since midnight of `YYYY-MM-DDThh:mm:ss`.
#[inline]
fn parse_head(head: &[u8; 19]) -> Option<(i64, i64)> {
    let separators = [head[4], head[7], head[13], head[16]];
    if separators != *b"--::" || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let numbers = |places: [usize; 8]| pairs(places.map(|place| head[place]));
    let [century, year, month, day] = numbers([0, 1, 2, 3, 5, 6, 8, 9])?;
    let [hour, minute, second, _] = numbers([11, 12, 14, 15, 17, 18, 17, 18])?;
    Some((date(100 * century + year, month, day)?, clock_us(hour, minute, second)?))
}

/// The numbers of two digits each. Every row has some, so all digits are looked at together, each in its byte of a word.
#[inline]
fn pairs(digits: [u8; 8]) -> Option<[i64; 4]> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let values = u64::from_le_bytes(digits) ^ (ONES * b'0' as u64);
    // Adding 118 to a number of ten and more makes its high bit one, if it is not that already.
    let are_digits = (values | values.wrapping_add(ONES * 118)) & HIGH_BITS == 0;
    // Ten times each digit, and the next one: every second byte is the number of a pair.
    let numbers = values.wrapping_mul(10).wrapping_add(values >> 8).to_le_bytes();
    are_digits.then(|| [numbers[0], numbers[2], numbers[4], numbers[6]].map(i64::from))
}

/// Days since 1970-01-01 of a date after the year 0.
fn date(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32)?;
    (year > 0).then(|| day_number(date))
}

/// Micros since midnight.
fn clock_us(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_time = hour <= 23 && minute <= 59 && second <= 59;
    is_time.then_some((hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND)
}

/// The order in which a local spelling writes day, month and year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    Mdy,
    Dmy,
    Ymd,
}

impl DateOrder {
    pub fn name(self) -> &'static str {
        match self {
            DateOrder::Mdy => "mdy",
            DateOrder::Dmy => "dmy",
            DateOrder::Ymd => "ymd",
        }
    }

    pub const ALL: [DateOrder; 3] = [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd];

    pub fn of(name: &str) -> Option<DateOrder> {
        DateOrder::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// Reads a date and time as people spell them, in the order stated: `2/6/2026 11:55:00 AM`, `06.02.2026 11:55`.
/// Parts are separated by `/`, `.` or `-`; the year has four digits; seconds may be missing; the clock has 24 hours
/// unless AM or PM stands behind it. The time is local in `zone`.
pub fn parse_ordered(text: &str, order: DateOrder, zone: Tz) -> Option<i64> {
    let (day, rest) = text.trim().split_once([' ', 'T', ','])?;
    let separator = day.chars().find(|sign| matches!(sign, '/' | '.' | '-'))?;
    let parts: Vec<&str> = day.split(separator).collect();
    let &[first, second, third] = parts.as_slice() else {
        return None;
    };
    let (year, month, day) = match order {
        DateOrder::Mdy => (third, first, second),
        DateOrder::Dmy => (third, second, first),
        DateOrder::Ymd => (first, second, third),
    };
    let short = |text: &str| (1..=2).contains(&text.len()).then(|| digits(text.as_bytes())).flatten();
    let year = (year.len() == 4).then(|| digits(year.as_bytes())).flatten()?;
    let day = date(year, short(month)?, short(day)?)?;

    let rest = rest.to_lowercase();
    let (clock, half) = rest.split_at(rest.find(char::is_alphabetic).unwrap_or(rest.len()));
    let half: String = half.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let is_afternoon = match half.as_str() {
        "" => None,
        "am" => Some(false),
        "pm" => Some(true),
        _ => return None,
    };
    let parts: Vec<&str> = clock.trim().split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (short(hour)?, short(minute)?, 0),
        [hour, minute, second] => (short(hour)?, short(minute)?, short(second)?),
        _ => return None,
    };
    let hour = match is_afternoon {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(is_afternoon) => hour % 12 + if is_afternoon { 12 } else { 0 },
    };
    local(day * MICROS_PER_DAY + clock_us(hour, minute, second)?, zone)
}

/// Reads an instant as Synapse Link writes it, always UTC: `6/28/2021 4:34:35 PM`, or any spelling [`parse`] knows.
///
/// Its pattern `M/d/yyyy H:mm:ss tt` joins the hour of a 24-hour clock to the half of the day, so `0:00:00 PM` (noon)
/// and `16:34:35 PM` occur; an hour after noon that says `AM` contradicts itself.
pub fn parse_sink(text: &str) -> Option<i64> {
    if text.as_bytes().get(4) == Some(&b'-') {
        return parse(text, Tz::UTC);
    }
    let mut rest = text.as_bytes();
    let (month, day) = (number_before(b'/', &mut rest)?, number_before(b'/', &mut rest)?);
    let is_full_year = rest.get(4) == Some(&b' ');
    let (year, hour) = (number_before(b' ', &mut rest)?, number_before(b':', &mut rest)?);
    let (minute, second) = (number_before(b':', &mut rest)?, number_before(b' ', &mut rest)?);
    let hour = match hour {
        12 if rest.eq_ignore_ascii_case(b"am") => 0,
        0..12 if rest.eq_ignore_ascii_case(b"am") => hour,
        12..24 if rest.eq_ignore_ascii_case(b"pm") => hour,
        0..12 if rest.eq_ignore_ascii_case(b"pm") => hour + 12,
        _ => return None,
    };
    let day = date(year, month, day).filter(|_| is_full_year)?;
    Some(day * MICROS_PER_DAY + clock_us(hour, minute, second)?)
}

/// The number of at most four digits before the next separator, which is passed too.
#[inline]
fn number_before(separator: u8, rest: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for (place, &byte) in rest.iter().take(5).enumerate() {
        if byte == separator {
            *rest = &rest[place + 1..];
            return (place > 0).then_some(number);
        }
        number = number * 10 + digit(byte)?;
    }
    None
}

/// Micros of `.1234567`, and what follows it.
#[inline]
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else {
        return Some((0, text));
    };
    // As .NET writes it.
    if let Some((seven, rest)) = digits.split_first_chunk::<7>()
        && let Some(number) = self::digits(seven)
        && !rest.first().is_some_and(u8::is_ascii_digit)
    {
        return Some((number / 10, rest));
    }
    let (mut micros, mut unit, mut count) = (0, MICROS_PER_SECOND, 0);
    while let Some(digit) = digits.get(count).copied().and_then(digit) {
        unit /= 10;
        micros += digit * unit;
        count += 1;
    }
    (1..=9).contains(&count).then_some((micros, &digits[count..]))
}

/// Micros of `+02:00`, `+0200`, `+02`.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = text.split_first()?;
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h @ .., b':', m1, m2] if h.len() == 2 => (digits(h)?, digits(&[*m1, *m2])?),
        [h1, h2, m1, m2] => (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?),
        [_, _] => (digits(rest)?, 0),
        _ => return None,
    };
    (hours <= 18 && minutes <= 59).then(|| sign * (hours * 3600 + minutes * 60) * MICROS_PER_SECOND)
}

#[inline]
fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

/// The number of a few digits.
#[inline]
fn digits(text: &[u8]) -> Option<i64> {
    // Without a branch for each.
    let (number, are_digits) = text.iter().fold((0, true), |(number, are_digits), byte| {
        let digit = byte.wrapping_sub(b'0');
        (number * 10 + i64::from(digit), are_digits & (digit < 10))
    });
    are_digits.then_some(number)
}

/// Days since 1970-01-01.
pub fn day_number(date: NaiveDate) -> i64 {
    date.to_epoch_days().into()
}

/// The date that is `day` days after 1970-01-01.
pub fn date_of(day: i32) -> NaiveDate {
    NaiveDate::default() + chrono::Duration::days(i64::from(day))
}

/// The instant at which a local clock in `zone` shows `local`. A time that a clock change skips is the moment of the
/// change; one that occurs twice is its first occurrence.
fn from_local(local: i64, zone: Tz) -> Option<i64> {
    let naive = DateTime::from_timestamp_micros(local)?.naive_utc();
    (0..=24 * 60).find_map(|minute| {
        zone.from_local_datetime(&(naive + chrono::Duration::minutes(minute)))
            .earliest()
            .map(|found| match minute {
                0 => found.timestamp_micros(),
                _ => found.timestamp_micros() / (60 * MICROS_PER_SECOND) * (60 * MICROS_PER_SECOND),
            })
    })
}

/// The instant at which a local day begins.
pub fn start_of_day(date: NaiveDate, zone: Tz) -> Option<i64> {
    let midnight = NaiveDateTime::new(date, NaiveTime::MIN);
    from_local(midnight.and_utc().timestamp_micros(), zone)
}

/// The month an instant lies in (UTC), as year × 12 + month − 1.
pub fn month_of(micros: i64) -> i32 {
    use chrono::Datelike;
    let date = DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default();
    date.year() * 12 + date.month0() as i32
}

/// The instants `[start, end)` of a month counted as [`month_of`] does.
pub fn month_bounds(month: i32) -> std::ops::Range<i64> {
    let start = |month: i32| {
        NaiveDate::from_ymd_opt(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, 1)
            .map_or(i64::MAX, |date| day_number(date) * MICROS_PER_DAY)
    };
    start(month)..start(month + 1)
}

/// `2026-03` for a number made by [`month_of`].
pub fn month_name(month: i32) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// The canonical text: `2026-03-01T08:00:00Z`, with six fractional digits only where they are not zero.
pub fn to_text(micros: i64) -> String {
    let instant = DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default();
    if micros.rem_euclid(MICROS_PER_SECOND) == 0 {
        instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    } else {
        instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

#[cfg(test)]
mod tests;
