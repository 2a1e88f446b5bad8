#![no_main]
//! Times: no text makes the reader of instants panic, and what it reads, it writes and reads again.

use gatelog::instant;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(micros) = instant::parse(text, chrono_tz::Tz::UTC) {
        assert_eq!(instant::parse(&instant::to_text(micros), chrono_tz::Tz::UTC), Some(micros));
    }
});
