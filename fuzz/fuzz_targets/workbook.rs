#![no_main]
//! See `check.rs`.

#[path = "../check.rs"]
#[allow(dead_code)]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("gatelog-fuzz-{}", std::process::id()));
    check::spare_decoders();
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    check::file(bytes, &folder);
});
