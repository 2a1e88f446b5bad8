//! Every spelling of an instant, and texts that are none.

use super::*;
use proptest::prelude::*;

fn utc(text: &str) -> Option<i64> {
    parse(text, Tz::UTC)
}

#[test]
fn all_raw_spellings_of_one_instant_are_equal() {
    let expected = Some(1_652_393_952_000_000);
    for text in [
        "2022-05-12T22:19:12Z",
        "2022-05-12T22:19:12.0Z",
        "2022-05-12T22:19:12.0000000+00:00",
        "2022-05-13T00:19:12+02:00",
        "2022-05-13T00:19:12+0200",
        "2022-05-12T17:49:12-04:30",
        "2022-05-12 22:19:12.000",
        "2022-05-12 22:19:12",
        "20220512221912",
    ] {
        assert_eq!(utc(text), expected, "{text}");
    }
}

#[test]
fn a_digit_that_is_none_makes_no_time() {
    let text = "2011-11-11T11:11:11Z";
    for (place, _) in text.char_indices().filter(|(_, sign)| sign.is_ascii_digit()) {
        for byte in 0..0x80_u8 {
            let mut other = text.as_bytes().to_vec();
            other[place] = byte;
            let other = String::from_utf8(other).expect("ASCII");
            let expected = NaiveDateTime::parse_from_str(&other, "%Y-%m-%dT%H:%M:%SZ")
                .ok()
                .filter(|_| byte.is_ascii_digit())
                .map(|on| on.and_utc().timestamp_micros());
            assert_eq!(utc(&other), expected, "{other:?}");
        }
    }
}

#[test]
fn digits_beyond_microseconds_are_cut_off() {
    assert_eq!(utc("1970-01-01T00:00:00.1234567Z"), Some(123_456));
    assert_eq!(utc("1970-01-01T00:00:00.59Z"), Some(590_000));
    assert_eq!(utc("1970-01-01T00:00:00.12345678Z"), Some(123_456));
    assert_eq!(utc("1970-01-01T00:00:00.123456789+00:00"), Some(123_456));
    for none in ["", "1234567890", "1234567x", "+00:00"] {
        assert_eq!(utc(&format!("1970-01-01T00:00:00.{none}Z")), None, "{none}");
    }
}

#[test]
fn times_of_synapse_join_the_hour_of_a_24_hour_clock_to_the_half_of_the_day() {
    for (text, same) in [
        ("6/28/2021 4:34:35 PM", "2021-06-28T16:34:35Z"),
        ("6/28/2021 16:34:35 PM", "2021-06-28T16:34:35Z"),
        ("06/08/2021 04:34:35 am", "2021-06-08T04:34:35Z"),
        ("1/1/2020 0:00:00 PM", "2020-01-01T12:00:00Z"),
        ("1/1/2020 0:00:00 AM", "2020-01-01T00:00:00Z"),
        ("1/1/2020 12:00:00 AM", "2020-01-01T00:00:00Z"),
        ("1/1/2020 12:00:00 PM", "2020-01-01T12:00:00Z"),
        ("12/31/1999 23:59:59 PM", "1999-12-31T23:59:59Z"),
        ("1/1/0001 12:00:00 AM", "0001-01-01T00:00:00Z"),
        ("2/29/2024 0:30:00 PM", "2024-02-29T12:30:00Z"),
        ("2021-06-28T16:30:11.0000000+00:00", "2021-06-28T16:30:11Z"),
        ("2021-06-25T16:21:12Z", "2021-06-25T16:21:12Z"),
    ] {
        assert_eq!(parse_sink(text), utc(same), "{text}");
        assert!(utc(same).is_some());
    }
    for text in [
        "",
        "6/28/2021",
        "6/28/2021 4:34:35",
        "6/28/2021 13:00:00 AM",
        "6/28/2021 24:00:00 PM",
        "6/28/2021 4:60:00 PM",
        "6/28/2021 4:34:60 PM",
        "6/28/2021 4:34 PM",
        "28/6/2021 4:34:35 PM",
        "2/29/2023 4:34:35 PM",
        "6/28/21 4:34:35 PM",
        "6/28/0000 4:34:35 PM",
        "6/28/20211 4:34:35 PM",
        "6/28/2021 4:34:35 PM UTC",
        "6/-8/2021 4:34:35 PM",
        "6//2021 4:34:35 PM",
        "6/28/2021  4:34:35 PM",
    ] {
        assert_eq!(parse_sink(text), None, "{text}");
    }
}

#[test]
fn what_is_no_time_is_none() {
    for text in [
        "",
        "5/12/2022 3:19 PM",
        "2022-05-12",
        "2022-13-01T00:00:00Z",
        "2022-02-30T00:00:00Z",
        "2022-05-12T24:00:00Z",
        "2022-05-12T22:60:00Z",
        "2022-05-12T22:19:12.Z",
        "2022-05-12T22:19:12X",
        "2022-05-12T22:19:12+99:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2022-05-12Té2:19:12Z",
        "2022-05-1é2T22:19:12Z",
        "20220512221960",
        "20221312221912",
        "2022051222191Z",
    ] {
        assert_eq!(utc(text), None, "{text}");
    }
}

#[test]
fn a_date_as_people_spell_it_is_read_only_in_the_order_stated() {
    use DateOrder::*;
    let expected = utc("2026-02-06T11:55:00Z");
    for (text, order) in [
        ("2/6/2026 11:55:00 AM", Mdy),
        ("02/06/2026 11:55", Mdy),
        ("06.02.2026 11:55:00", Dmy),
        ("6/2/2026, 11:55 a.m.", Dmy),
        ("2026/02/06 11:55:00", Ymd),
        ("2026-2-6T11:55:00", Ymd),
    ] {
        assert_eq!(parse_ordered(text, order, Tz::UTC), expected, "{text}");
    }
    let noon = |text| parse_ordered(text, Mdy, Tz::UTC).map(to_text);
    assert_eq!(noon("2/6/2026 12:00:00 AM").as_deref(), Some("2026-02-06T00:00:00Z"));
    assert_eq!(noon("2/6/2026 12:30 PM").as_deref(), Some("2026-02-06T12:30:00Z"));
    assert_eq!(
        noon("2/6/2026 3:19\u{202F}p. m.").as_deref(),
        Some("2026-02-06T15:19:00Z")
    );
    for text in [
        "13/6/2026 11:55",
        "2/6/26 11:55",
        "2/6/2026",
        "2/6/2026 13:00 PM",
        "2/6/2026 0:10 AM",
        "2/6/2026 11",
        "2/30/2026 11:55",
        "2/6.2026 11:55",
        "2/6/2026 11:55:5.1",
        "2/6/2026 11.5:5",
        "2/6/2026 a.m. 11:55",
        "2/6/2026 11:55 am pm",
        "",
    ] {
        assert_eq!(noon(text), None, "{text}");
    }
    let kolkata = chrono_tz::Asia::Kolkata;
    assert_eq!(parse_ordered("06-02-2026 17:25", Dmy, kolkata), expected);
}

#[test]
fn far_years_are_kept() {
    assert_eq!(
        utc("0001-01-01T00:00:00Z").map(to_text).as_deref(),
        Some("0001-01-01T00:00:00Z")
    );
    assert_eq!(
        utc("9999-12-31T23:59:59Z").map(to_text).as_deref(),
        Some("9999-12-31T23:59:59Z")
    );
}

#[test]
fn a_time_without_zone_is_the_callers_also_around_clock_changes() {
    let berlin = chrono_tz::Europe::Berlin;
    assert_eq!(parse("2026-01-01T01:00:00", berlin), utc("2026-01-01T00:00:00Z"));
    // skipped: the clock jumps from 02:00 to 03:00 at 01:00Z
    assert_eq!(parse("2026-03-29T02:30:00", berlin), utc("2026-03-29T01:00:00Z"));
    // twice: 02:30 is first 00:30Z
    assert_eq!(parse("2026-10-25T02:30:00", berlin), utc("2026-10-25T00:30:00Z"));
}

#[test]
fn a_day_that_begins_with_a_clock_change_begins_at_the_change() {
    let santiago = chrono_tz::America::Santiago;
    let date = NaiveDate::from_ymd_opt(2025, 9, 7).unwrap();
    assert_eq!(start_of_day(date, santiago), utc("2025-09-07T04:00:00Z"));
}

proptest! {
    #[test]
    fn the_canonical_text_reads_back(micros in -62_135_596_800_000_000i64..=253_402_300_799_999_999) {
        prop_assert_eq!(utc(&to_text(micros)), Some(micros));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}") {
        let _ = utc(&text);
        let _ = parse_sink(&text);
    }
}
