//! The table of hostile and broken input, of what is compressed or packed: bombs, damage, archives in archives.

use crate::encoded::{gzip, zip, zstd};
use crate::hostile::{Case, check, lines, row};

/// Good lines, then 70 MiB of blank lines.
fn bomb() -> Vec<u8> {
    let blank = " ".repeat((1 << 20) - 1) + "\n";
    [lines(&[row(1), row(2)]), blank.repeat(70).into_bytes()].concat()
}

/// An archive whose first member is marked in its two headers at these offsets.
fn zip_marked(in_local: usize, in_directory: usize, mark: u8) -> Vec<u8> {
    let mut archive = zip(&[("a.ndjson", &lines(&[row(7)])), ("b.ndjson", &lines(&[row(1), row(2)]))]);
    let directory = archive
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .expect("a directory");
    archive[in_local] = mark;
    archive[directory + in_directory] = mark;
    archive
}

#[rustfmt::skip] // A case a line.
fn packed() -> Vec<Case> {
    let good = lines(&[row(1), row(2)]);
    let nested = zip(&[("in.zip", &zip(&[("log", &good)])), ("log", &good)]);
    let mut spoiled = zip(&[("log", &zstd(&good))]);
    spoiled[30 + "log".len() + 20] ^= 0x55;
    let mut wrong = gzip(&good);
    let checksum = wrong.len() - 8;
    wrong[checksum] ^= 0x55;
    let missing = zip(&[("log", &good)]);
    let xlsx = zip(&[("xl/workbook.xml", b"<workbook/>"), ("log", &good)]);
    vec![
        ("a gzip bomb", gzip(&bomb()), 4, 2, &["too-large"]),
        ("a zstd bomb", zstd(&bomb()), 4, 2, &["too-large"]),
        ("a zip bomb", zip(&[("log", &bomb())]), 4, 2, &["too-large"]),
        ("a bomb in a zip", zip(&[("log", &gzip(&bomb()))]), 4, 2, &["too-large"]),
        ("a zip in a zip", nested, 4, 2, &[]),
        ("only a zip in a zip", zip(&[("in.zip", &zip(&[("log", &good)]))]), 3, 0, &[]),
        ("a zip in a gzip", gzip(&zip(&[("log", &good)])), 3, 0, &[]),
        ("four times compressed", gzip(&gzip(&gzip(&gzip(&good)))), 3, 0, &[]),
        ("an empty zip", zip(&[]), 0, 0, &[]),
        ("a zip of folders", zip(&[("a/", b""), ("__MACOSX/x", b"y")]), 0, 0, &[]),
        ("a workbook", xlsx.clone(), 3, 0, &[]),
        ("a workbook in a zip", zip(&[("book.xlsx", &xlsx), ("log", &good)]), 4, 2, &[]),
        ("a zip without its directory", missing[..missing.len() - 30].to_vec(), 3, 0, &[]),
        ("an encrypted member", zip_marked(6, 8, 1), 4, 2, &[]),
        ("a method nobody reads", zip_marked(8, 10, 12), 4, 2, &[]),
        ("a member with a wrong checksum", zip_marked(14, 16, 0x5A), 4, 3, &["corrupt"]),
        ("a spoiled member", spoiled, 3, 0, &[]),
        ("a truncated gzip", gzip(&good)[..40].to_vec(), 3, 0, &[]),
        ("gzip without its trailer", [&gzip(&good)[..gzip(&good).len() - 8]].concat(), 4, 2, &["truncated"]),
        ("gzip with a wrong checksum", wrong, 4, 2, &["corrupt"]),
        ("other bytes behind gzip", [gzip(&good), b"more".to_vec()].concat(), 4, 2, &["corrupt"]),
        ("nothing but a gzip header", gzip(b"")[..10].to_vec(), 3, 0, &[]),
        ("gzip of nothing", gzip(b""), 0, 0, &[]),
    ]
}

#[test]
fn packed_input_has_its_outcome() {
    check(packed(), &["4194304"], &[]);
}
