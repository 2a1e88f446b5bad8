//! How glibc's allocator shares memory among threads, in few arenas, and what it keeps of that which was freed.
//!
//! By default every thread gets an arena of its own, which suits reports. In an ingest, blocks are parsed on all cores and
//! freed on another, so the arenas take turns at being large, and none gives back what it has. Measured on 2 cores, 6 M
//! rows of CSV: a peak of 321 MB, and growing with the input, against 285 MB with one arena, at equal CPU time.
//!
//! Blocks of a long run differ in size and age, and leave holes between them, which the allocator keeps: after some 70 M
//! rows of an ingest, 504 of 929 MB of heap were holes. So they are given back from time to time.
//!
//! A report decodes a stretch of the log where the one before was, if the allocator has kept that: else every few KiB cost
//! a page fault. Measured over 10 M accesses: half as many faults and 5 to 10 % less CPU time, for 3 to 8 MB more.
//!
//! This is the only unsafe code.

use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn share_arenas() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let arenas = i32::try_from(cores / 4).unwrap_or(i32::MAX).max(1);
    // SAFETY: this only sets a parameter of the allocator, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
}

/// Gives back the holes of a long run.
pub struct Holes {
    /// How many records had been read when it last did.
    given_back_at: AtomicU64,
}

/// Records between two times: seldom enough to cost next to nothing, often enough that little gathers meanwhile.
const HOLES_EVERY: u64 = 1 << 20;

impl Holes {
    pub fn new() -> Holes {
        Holes {
            given_back_at: AtomicU64::new(0),
        }
    }

    /// So many records have been read.
    pub fn give_back(&self, records: u64) {
        if records.saturating_sub(self.given_back_at.load(Ordering::Relaxed)) >= HOLES_EVERY {
            self.given_back_at.store(records, Ordering::Relaxed);
            trim();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn trim() {
    // SAFETY: this takes from the allocator only pages that hold nothing, under its own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

/// Up to so much of what was freed stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: i32 = 32 << 20;

/// Keeps what is freed, to be used again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn keep_freed() {
    // SAFETY: these only set parameters of the allocator, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_arenas() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}
