//! What calamine takes on trust of a workbook: how much there is to hold, and how many texts are announced.

use crate::ingest::head::Refusal;
use memchr::memmem;
use std::fs::File;
use std::io::{self, BufReader, Read};
use zip::ZipArchive;

/// How much XML the parts that are held whole may have together.
pub const MAX_SHARED_BYTES: u64 = 512 << 20;

/// Excel allows 32,767 characters in a cell; this is far more, and far less than memory.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Refuses a workbook that would take more memory than its rows are worth.
pub fn check_parts(file: &File) -> Result<(), Refusal> {
    let damaged = |cause: &dyn std::fmt::Display| Refusal::damaged("workbook", cause);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|cause| damaged(&cause))?;
    let mut held = 0;
    for place in 0..archive.len() {
        let part = archive.by_index(place).map_err(|cause| damaged(&cause))?;
        let name = part.name().map_err(|cause| damaged(&cause))?.to_ascii_lowercase();
        if !name.ends_with(".xml") && !name.ends_with(".rels") {
            continue;
        }
        let is_sheet = name.starts_with("xl/worksheets/");
        // What Excel itself keeps apart from the cells, and calamine never opens.
        if ["xl/pivotcache/", "xl/drawings/", "xl/charts/", "customxml/"]
            .iter()
            .any(|folder| name.starts_with(folder))
        {
            continue;
        }
        let limit = if is_sheet { u64::MAX } else { MAX_SHARED_BYTES - held };
        let measured = measure(part, limit).map_err(|cause| damaged(&cause))?;
        if !is_sheet {
            held += measured.bytes;
        }
        if held >= MAX_SHARED_BYTES || measured.longest_text > MAX_TEXT_BYTES {
            return Err(Refusal::new(
                "is a workbook whose texts are larger than Excel writes them",
                "save the sheet as CSV",
            ));
        }
        if measured.announced > measured.bytes {
            return Err(damaged(&"it announces more texts than it has"));
        }
    }
    Ok(())
}

struct Measured {
    bytes: u64,
    /// The longest stretch without a tag.
    longest_text: usize,
    /// The largest `uniqueCount`, for which memory is set aside before anything is read.
    announced: u64,
}

fn measure(part: impl Read, limit: u64) -> io::Result<Measured> {
    const ANNOUNCED: &[u8] = b"uniqueCount";
    const OVERLAP: usize = 64;
    let mut measured = Measured {
        bytes: 0,
        longest_text: 0,
        announced: 0,
    };
    let mut part = part.take(limit);
    let mut window = Vec::new();
    let mut text = 0;
    loop {
        let kept = window.len();
        let count = part.by_ref().take(1 << 18).read_to_end(&mut window)?;
        if count == 0 {
            return Ok(measured);
        }
        measured.bytes += count as u64;
        let mut start = 0;
        for tag in memchr::memchr_iter(b'<', &window[kept..]) {
            measured.longest_text = measured.longest_text.max(text + tag - start);
            (text, start) = (0, tag);
        }
        text += count - start;
        measured.longest_text = measured.longest_text.max(text);
        for found in memmem::find_iter(&window, ANNOUNCED) {
            let digits = window[found + ANNOUNCED.len()..]
                .iter()
                .skip_while(|byte| !byte.is_ascii_digit())
                .take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0u64, |number, digit| {
                number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
            });
            measured.announced = measured.announced.max(number);
        }
        window.drain(..window.len().saturating_sub(OVERLAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_measured_whatever_its_pieces() {
        let long = "x".repeat(300_000);
        let part = format!("<sst uniqueCount=\"7\">{long}<si/>{}<t/>", "y".repeat(299_999));
        let measured = measure(part.as_bytes(), u64::MAX).unwrap();
        assert_eq!(measured.bytes, part.len() as u64);
        assert_eq!(measured.longest_text, "<sst uniqueCount=\"7\">".len() + long.len());
        assert_eq!(measured.announced, 7);
        let split = format!("{}uniqueCount='99999999999999999999'", " ".repeat((1 << 18) - 4));
        assert_eq!(measure(split.as_bytes(), u64::MAX).unwrap().announced, u64::MAX);
        assert_eq!(measure(part.as_bytes(), 100).unwrap().bytes, 100);
    }
}
