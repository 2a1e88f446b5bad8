//! Numbers, GUIDs, instants and escaped text, written by hand into a byte buffer.
//!
//! `format!` would be most of the cost of a row that is mostly constant text; these four are all a row needs.

use super::draw::Guid;

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

/// `2026-01-05T08:00:00Z`; years 0 to 9999.
pub fn push_instant(out: &mut Vec<u8>, unix_s: i64) {
    let (year, month, day) = civil(unix_s.div_euclid(86_400));
    let second = unix_s.rem_euclid(86_400) as u32;
    let mut text = *b"0000-00-00T00:00:00Z";
    text[0..2].copy_from_slice(&two(year / 100));
    text[2..4].copy_from_slice(&two(year % 100));
    text[5..7].copy_from_slice(&two(month));
    text[8..10].copy_from_slice(&two(day));
    text[11..13].copy_from_slice(&two(second / 3600));
    text[14..16].copy_from_slice(&two(second / 60 % 60));
    text[17..19].copy_from_slice(&two(second % 60));
    out.extend_from_slice(&text);
}

/// `5/12/2022 3:19 PM`, seven hours behind UTC: what an exporting American sees, and no reader may trust.
pub fn push_local_instant(out: &mut Vec<u8>, unix_s: i64) {
    let local_s = unix_s - 7 * 3600;
    let (year, month, day) = civil(local_s.div_euclid(86_400));
    let minute = local_s.rem_euclid(86_400) as u32 / 60;
    push_number(out, u64::from(month));
    out.push(b'/');
    push_number(out, u64::from(day));
    out.push(b'/');
    push_number(out, u64::from(year));
    out.push(b' ');
    push_number(out, u64::from((minute / 60 + 11) % 12 + 1));
    out.push(b':');
    out.extend_from_slice(&two(minute % 60));
    out.extend_from_slice(if minute < 720 { b" AM" } else { b" PM" });
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
    fn escapes() {
        assert_eq!(text(|out| push_json_text(out, br#"a"b\n"#)), r#"a\"b\\n"#);
        assert_eq!(text(|out| push_csv_text(out, br#""a"b"#)), r#"""a""b"#);
    }
}
