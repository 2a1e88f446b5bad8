//! A short run of every fuzz target on its seeds and on mutations of them: what `fuzz/` does for hours, for seconds.

#[path = "../../fuzz/check.rs"]
mod check;

use crate::logs::Chance;
use crate::support;
use std::fs;

const MUTATIONS: usize = 120;

/// A copy with some bytes changed, cut out, said twice, or with a piece of another seed in it.
fn mutated(chance: &mut Chance, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + chance.below(4) {
        let place = chance.below(bytes.len() + 1);
        let end = (place + 1 + chance.below(40)).min(bytes.len());
        match chance.below(5) {
            0 if place < bytes.len() => bytes[place] = chance.number() as u8,
            1 if place < bytes.len() => bytes[place] = chance.pick(b"\"{}[],:;<>&\\\n\r\0\xFF"),
            2 => drop(bytes.drain(place..end)),
            3 => {
                let again = bytes[place..end].to_vec();
                bytes.splice(place..place, again);
            }
            _ => {
                let from = chance.below(other.len() + 1);
                let to = (from + chance.below(60)).min(other.len());
                bytes.splice(place..place, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn mutations_of_the_seeds_are_understood_or_rejected_whatever_the_blocks_l1_l2() {
    check::spare_decoders();
    for (number, (target, run)) in check::TARGETS.into_iter().enumerate() {
        let chance = &mut Chance::new(number as u64);
        let seeds: Vec<Vec<u8>> = support::files(&support::repository().join("fuzz/seeds").join(target))
            .values()
            .map(|path| fs::read(path).expect("readable"))
            .collect();
        assert!(!seeds.is_empty(), "{target} has seeds");
        let home = support::home();
        for seed in &seeds {
            run(seed, home.path());
        }
        for _ in 0..MUTATIONS {
            let (seed, other) = (chance.below(seeds.len()), chance.below(seeds.len()));
            let bytes = mutated(chance, &seeds[seed], &seeds[other]);
            run(&bytes, home.path());
        }
    }
}

#[test]
fn every_target_is_run_by_its_name() {
    let targets = support::files(&support::repository().join("fuzz/fuzz_targets"));
    let names: Vec<&str> = targets.keys().filter_map(|name| name.strip_suffix(".rs")).collect();
    let mut known = check::TARGETS.map(|(name, _)| name).to_vec();
    known.sort_unstable();
    assert_eq!(names, known);
}
