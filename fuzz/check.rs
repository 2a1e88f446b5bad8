//! What must hold of any bytes, for the fuzz targets and for the smoke runs in the tests.
//!
//! Every byte is understood or rejected, nothing panics, and neither the size of blocks nor where they end changes what
//! is read (L2).

use gatelog::ingest::probe::{Probe, probe};
use gatelog::instant::{self, DateOrder};
use std::fs;
use std::path::Path;

/// Small enough that a fuzzer meets records that are too long.
const RECORD_BYTES: usize = 3000;

/// Reads what the path holds, in large and in small blocks.
pub fn path(path: &Path, folder: &Path) {
    let seen = |block_bytes| {
        let how = Probe {
            block_bytes,
            record_bytes: RECORD_BYTES,
            folder: folder.to_owned(),
        };
        probe(path, &how).unwrap_or_else(|error| panic!("{error}"))
    };
    let whole = seen(1 << 20);
    for block_bytes in [1, 97] {
        assert_eq!(seen(block_bytes), whole, "blocks of {block_bytes} (L2)");
    }
}

/// A panic in a decoder of typed exports is contained by the library: only others are found faults.
pub fn spare_decoders() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let fault = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some("typed export") {
                fault(panic);
            }
        }));
    });
}

/// One file with these bytes.
pub fn file(bytes: &[u8], folder: &Path) {
    let input = folder.join("input");
    fs::write(&input, bytes).expect("a folder to write in");
    path(&input, folder);
}

/// Rows under a header, or without one in the order of Synapse Link's audit table; the first byte says which.
pub fn csv(bytes: &[u8], folder: &Path) {
    let Some((kind, rows)) = bytes.split_first() else {
        return;
    };
    let header: &[u8] = match kind % 4 {
        0 => b"auditid,createdon,action,objectid,changedata\n",
        1 => b"Date/Time;Operation;Action;User\r\n",
        2 => b"systemuserid\tfullname\tisdisabled\n",
        _ => b"",
    };
    file(&[header, rows].concat(), folder);
}

/// The bytes as the model of a container beside a partition.
pub fn model(bytes: &[u8], folder: &Path) {
    const ROW: &str = "cccccccc-0000-4000-8000-000000000001,64,\"2026-03-01T08:00:00Z\"\n";
    let container = folder.join("dataverse-fuzz-unq");
    fs::create_dir_all(container.join("audit")).expect("a folder");
    fs::write(container.join("model.json"), bytes).expect("written");
    fs::write(container.join("audit/2026.csv"), ROW).expect("written");
    path(&container, folder);
}

/// The bytes as a commit of a Delta table, behind one that names its protocol.
pub fn delta(bytes: &[u8], folder: &Path) {
    let log = folder.join("table/_delta_log");
    fs::create_dir_all(&log).expect("a folder");
    fs::write(log.join("00000000000000000000.json"), bytes).expect("written");
    path(&folder.join("table"), folder);
}

/// Times: what is read is written and read again.
pub fn instant(bytes: &[u8], _: &Path) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let utc = chrono_tz::Tz::UTC;
    let mut found = vec![instant::parse(text, utc), instant::parse_sink(text)];
    for order in [DateOrder::Mdy, DateOrder::Dmy, DateOrder::Ymd] {
        found.push(instant::parse_ordered(text, order, utc));
    }
    instant::parse(text, chrono_tz::Europe::Berlin);
    for micros in found.into_iter().flatten() {
        assert_eq!(instant::parse(&instant::to_text(micros), utc), Some(micros), "{text:?}");
    }
}

/// What must hold of these bytes; the folder is one to work in.
pub type Check = fn(&[u8], &Path);

/// Each target by name.
pub const TARGETS: [(&str, Check); 9] = [
    ("json", file),
    ("csv", csv),
    ("xml", file),
    ("decode", file),
    ("parquet", file),
    ("workbook", file),
    ("delta", delta),
    ("model", model),
    ("instant", instant),
];
