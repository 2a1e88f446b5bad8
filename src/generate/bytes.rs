//! Numbers, GUIDs, instants and escaped text, written by hand into a byte buffer, as each form spells them.
//!
//! `format!` would be most of the cost of a row that is mostly constant text; these four are all a row needs.

use super::draw::Guid;

/// The first second of the year 1.
pub const FIRST_UNIX_S: i64 = -62_135_596_800;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// As Dataverse formats it for people: `72,201,545`.
pub fn push_grouped(out: &mut Vec<u8>, number: u64) {
    if number >= 1000 {
        push_grouped(out, number / 1000);
        out.push(b',');
        let low = (number % 1000) as u32;
        out.push(b'0' + (low / 100) as u8);
        out.extend_from_slice(&two(low % 100));
    } else {
        push_number(out, number);
    }
}

pub fn push_guid(out: &mut Vec<u8>, guid: &Guid) {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in guid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// As SQL Server prints a `uniqueidentifier`.
pub fn push_upper_guid(out: &mut Vec<u8>, guid: &Guid) {
    let start = out.len();
    push_guid(out, guid);
    out[start..].make_ascii_uppercase();
}

/// Year and month of an instant.
pub fn month_of(unix_s: i64) -> (u32, u32) {
    let (year, month, _) = civil(unix_s.div_euclid(86_400));
    (year, month)
}

/// Year, month, day of a count of days since 1970-01-01 (Hinnant's civil-from-days).
fn civil(days: i64) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// `2026-01-05T08:00:00`; years 0 to 9999.
fn date_and_time(unix_s: i64) -> [u8; 19] {
    let (year, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400) as u32;
    let mut text = *b"0000-00-00T00:00:00";
    text[0..2].copy_from_slice(&two(year / 100));
    text[2..4].copy_from_slice(&two(year % 100));
    text[5..7].copy_from_slice(&two(month));
    text[8..10].copy_from_slice(&two(day));
    text[11..13].copy_from_slice(&two(second / 3600));
    text[14..16].copy_from_slice(&two(second / 60 % 60));
    text[17..19].copy_from_slice(&two(second % 60));
    text
}

/// `2026-01-05T08:00:00Z`, as the Web API and the Organization Service write it.
pub fn push_instant(out: &mut Vec<u8>, unix_s: i64) {
    out.extend_from_slice(&date_and_time(unix_s));
    out.push(b'Z');
}

/// `2026-01-05 08:00:00`: UTC, and silent about it.
pub fn push_plain_instant(out: &mut Vec<u8>, unix_s: i64) {
    let mut text = date_and_time(unix_s);
    text[10] = b' ';
    out.extend_from_slice(&text);
}

/// `2026-01-05T01:00:00-07:00`: local, with its offset.
pub fn push_offset_instant(out: &mut Vec<u8>, unix_s: i64) {
    out.extend_from_slice(&date_and_time(unix_s - LOCAL_S));
    out.extend_from_slice(b"-07:00");
}

/// `2026-01-05T08:00:00.0000000+00:00`, the `dateTimeOffset` of Synapse Link.
pub fn push_long_instant(out: &mut Vec<u8>, unix_s: i64) {
    out.extend_from_slice(&date_and_time(unix_s));
    out.extend_from_slice(b".0000000+00:00");
}

/// `6/28/2021 4:34:35 PM` in UTC, as Synapse Link writes its own times.
pub fn push_sink_instant(out: &mut Vec<u8>, unix_s: i64) {
    push_american(out, unix_s, true);
}

/// How far the exporting American is behind UTC.
const LOCAL_S: i64 = 7 * 3600;

/// `5/12/2022 3:19 PM`, seven hours behind UTC: what an exporting American sees, and no reader may trust.
pub fn push_local_instant(out: &mut Vec<u8>, unix_s: i64) {
    push_american(out, unix_s - LOCAL_S, false);
}

fn push_american(out: &mut Vec<u8>, unix_s: i64, to_the_second: bool) {
    let (year, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400) as u32;
    push_number(out, u64::from(month));
    out.push(b'/');
    push_number(out, u64::from(day));
    out.push(b'/');
    push_number(out, u64::from(year));
    out.push(b' ');
    push_number(out, u64::from((second / 3600 + 11) % 12 + 1));
    out.push(b':');
    out.extend_from_slice(&two(second / 60 % 60));
    if to_the_second {
        out.push(b':');
        out.extend_from_slice(&two(second % 60));
    }
    out.extend_from_slice(if second < 43_200 { b" AM" } else { b" PM" });
}

/// Text inside a JSON string. Quotes and backslashes are escaped; control characters do not occur in what we make.
pub fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    push_escaped(out, text, b'\\', |byte| byte == b'"' || byte == b'\\');
}

/// Text inside a quoted CSV field.
pub fn push_csv_text(out: &mut Vec<u8>, text: &[u8]) {
    push_escaped(out, text, b'"', |byte| byte == b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8], escape: u8, needs_it: impl Fn(u8) -> bool) {
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        if needs_it(*byte) {
            out.extend_from_slice(&text[plain..at]);
            out.push(escape);
            plain = at;
        }
    }
    out.extend_from_slice(&text[plain..]);
}

/// Text of an XML element or of a quoted attribute. No line break stands in what we put into attributes.
pub fn push_xml_text(out: &mut Vec<u8>, text: &[u8]) {
    let mut plain = 0;
    for (at, byte) in text.iter().enumerate() {
        let entity: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            _ => continue,
        };
        out.extend_from_slice(&text[plain..at]);
        out.extend_from_slice(entity);
        plain = at + 1;
    }
    out.extend_from_slice(&text[plain..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers() {
        assert_eq!(text(|out| push_number(out, 0)), "0");
        assert_eq!(text(|out| push_number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(|out| push_grouped(out, 72_001_945)), "72,001,945");
        assert_eq!(text(|out| push_grouped(out, 999)), "999");
    }

    #[test]
    fn guids() {
        let guid = [0x40, 0x26, 0xbe, 0x43, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255];
        assert_eq!(
            text(|out| push_guid(out, &guid)),
            "4026be43-0102-0304-0506-0708090a0bff"
        );
        assert_eq!(
            text(|out| push_upper_guid(out, &guid)),
            "4026BE43-0102-0304-0506-0708090A0BFF"
        );
    }

    #[test]
    fn instants_are_those_of_chrono() {
        for unix_s in (-86_400 * 800..4_102_444_800).step_by(86_400 * 97 + 12_345) {
            let at = chrono::DateTime::from_timestamp(unix_s, 0).expect("in range");
            assert_eq!(
                text(|out| push_instant(out, unix_s)),
                at.naive_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
            );
        }
        assert_eq!(text(|out| push_local_instant(out, 1_652_397_552)), "5/12/2022 4:19 PM");
        assert_eq!(text(|out| push_local_instant(out, 7 * 3600)), "1/1/1970 12:00 AM");
    }

    #[test]
    fn each_form_has_its_spelling_of_an_instant() {
        let unix_s = 1_624_897_811;
        assert_eq!(text(|out| push_plain_instant(out, unix_s)), "2021-06-28 16:30:11");
        assert_eq!(
            text(|out| push_offset_instant(out, unix_s)),
            "2021-06-28T09:30:11-07:00"
        );
        assert_eq!(
            text(|out| push_long_instant(out, unix_s)),
            "2021-06-28T16:30:11.0000000+00:00"
        );
        assert_eq!(text(|out| push_sink_instant(out, unix_s)), "6/28/2021 4:30:11 PM");
        let day = unix_s - unix_s % 86_400;
        assert_eq!(text(|out| push_sink_instant(out, day)), "6/28/2021 12:00:00 AM");
        assert_eq!(
            text(|out| push_sink_instant(out, day + 43_200)),
            "6/28/2021 12:00:00 PM"
        );
        assert_eq!(text(|out| push_sink_instant(out, day - 1)), "6/27/2021 11:59:59 PM");
        assert_eq!(month_of(day), (2021, 6));
    }

    #[test]
    fn escapes() {
        assert_eq!(text(|out| push_json_text(out, br#"a"b\n"#)), r#"a\"b\\n"#);
        assert_eq!(text(|out| push_csv_text(out, br#""a"b"#)), r#"""a""b"#);
        assert_eq!(
            text(|out| push_xml_text(out, b"<a & \"b\">")),
            "&lt;a &amp; &quot;b&quot;&gt;"
        );
    }
}
