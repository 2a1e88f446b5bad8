//! Which staged rows are new: every row *claims* its identity, and once all claims of a run are in, each identity is
//! judged once, with all that is known of it.
//!
//! Claims are sorted by identity ([`Spread`]) and compared with the index of the lake, so the cost is that of the rows
//! that came, and memory does not grow with them. Rows are known by their *ordinal*, their place in the order in which
//! they came; the judgement of each is a [`Verdict`].
//!
//! The rules (contract: design §3.6): what the lake has is a duplicate; of rows that are new, the first stays; of
//! versions of a row ([`Rank`]) the best one stays; a row the source has deleted is only marked. A *deletion* is a row
//! of which the source says nothing but that it is gone.

use super::identity::Identity;
use super::index::{IndexRun, IndexWriter, Key};
use super::revise::Rank;
use super::spill::{Fixed, Spill, array};
use super::spread::{Gathered, Hashed, Spread};
use crate::disk::Disk;
use crate::error::Result;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

/// How many identities are looked up in the index at once; as many more are read meanwhile.
const CHUNK: usize = 1 << 15;

/// What becomes of a staged row, or of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The row is dropped; a deletion finds nothing to delete.
    Drop = 0,
    /// The row is new; a deletion has found its row.
    Keep = 1,
    /// The row is new, and the source has deleted it.
    KeepDeleted = 2,
    /// The lake has the row; this version may be a better one.
    Challenge = 3,
}

/// A verdict for each ordinal.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Four in a byte.
    packed: Vec<u8>,
}

impl Verdicts {
    /// All of them [`Verdict::Drop`].
    pub fn of(count: u64) -> Verdicts {
        Verdicts {
            packed: vec![0; count as usize / 4 + 1],
        }
    }

    /// Takes a verdict, once.
    pub fn set(&mut self, ordinal: u64, verdict: Verdict) {
        self.packed[ordinal as usize / 4] |= (verdict as u8) << (ordinal % 4 * 2);
    }

    pub fn get(&self, ordinal: u64) -> Verdict {
        match self.packed[ordinal as usize / 4] >> (ordinal % 4 * 2) & 3 {
            0 => Verdict::Drop,
            1 => Verdict::Keep,
            2 => Verdict::KeepDeleted,
            _ => Verdict::Challenge,
        }
    }

    /// How many rows of a stretch the lake takes as new.
    pub fn kept(&self, ordinals: Range<u64>) -> u64 {
        let is_kept = |&ordinal: &u64| matches!(self.get(ordinal), Verdict::Keep | Verdict::KeepDeleted);
        let (from, to) = (ordinals.start.next_multiple_of(4), ordinals.end / 4 * 4);
        if from >= to {
            return ordinals.filter(is_kept).count() as u64;
        }
        let edges = (ordinals.start..from).chain(to..ordinals.end);
        // Of whoever is kept one of the two bits is set.
        let kept_of = |byte: &u8| u64::from(((byte ^ byte >> 1) & 0b0101_0101).count_ones());
        let whole = &self.packed[from as usize / 4..to as usize / 4];
        edges.filter(is_kept).count() as u64 + whole.iter().map(kept_of).sum::<u64>()
    }
}

/// A claim of a row that has no versions. Aligned for its key, it would be a third larger.
#[repr(C, packed(8))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    key: Key,
    ordinal: u64,
}

/// A claim of a row that may be one of several versions, or of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Versioned {
    claim: Claim,
    /// Its rank, none of a deletion, as [`Fixed::put`] writes it: that takes less than half as much room as the rank itself.
    rank: [u8; 1 + Rank::BYTES],
}

impl Versioned {
    fn new(claim: Claim, rank: Option<Rank>) -> Versioned {
        let mut bytes = [0; 1 + Rank::BYTES];
        bytes[0] = u8::from(rank.is_some());
        bytes[1..].copy_from_slice(&rank.unwrap_or(Rank::OTHER_ROUTE).to_bytes());
        Versioned { claim, rank: bytes }
    }

    fn rank(&self) -> Option<Rank> {
        let [is_some, rank @ ..] = &self.rank;
        (*is_some == 1).then(|| Rank::of_bytes(rank))
    }

    fn role(&self) -> Role {
        self.rank().map_or(Role::Deletion, Role::Version)
    }
}

impl Claim {
    fn order(&self) -> (u128, u64) {
        (self.key.identity(), self.ordinal)
    }
}

impl Ord for Claim {
    fn cmp(&self, other: &Claim) -> std::cmp::Ordering {
        // Nearly always the first bits tell.
        let by_first_bits = self.first_bits().cmp(&other.first_bits());
        by_first_bits.then_with(|| self.order().cmp(&other.order()))
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Claim) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Versioned {
    fn cmp(&self, other: &Versioned) -> std::cmp::Ordering {
        self.claim.cmp(&other.claim)
    }
}

impl PartialOrd for Versioned {
    fn partial_cmp(&self, other: &Versioned) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Fixed for Claim {
    const BYTES: usize = Key::BYTES + 8;

    fn put(&self, bytes: &mut Vec<u8>) {
        { self.key }.put(bytes);
        bytes.extend_from_slice(&self.ordinal.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Claim {
        Claim {
            key: Key::get(bytes),
            ordinal: u64::from_le_bytes(array(&bytes[Key::BYTES..])),
        }
    }
}

impl Fixed for Versioned {
    const BYTES: usize = Claim::BYTES + 1 + Rank::BYTES;

    fn put(&self, bytes: &mut Vec<u8>) {
        self.claim.put(bytes);
        bytes.extend_from_slice(&self.rank);
    }

    fn get(bytes: &[u8]) -> Versioned {
        let (claim, rest) = bytes.split_at(Claim::BYTES);
        Versioned {
            claim: Claim::get(claim),
            rank: array(rest),
        }
    }
}

impl Hashed for Claim {
    fn first_bits(&self) -> u64 {
        (self.key.0 >> 64) as u64
    }
}

impl Hashed for Versioned {
    fn first_bits(&self) -> u64 {
        self.claim.first_bits()
    }
}

/// The claims of a run, as they come in.
pub struct Claims {
    plain: Spread<Claim>,
    versioned: Spread<Versioned>,
    count: u64,
}

impl Claims {
    pub fn new(disk: &Disk, folder: &Path, budget_bytes: usize) -> Claims {
        Claims {
            plain: Spread::new(disk, folder.join("claims"), budget_bytes / 2),
            versioned: Spread::new(disk, folder.join("versioned-claims"), budget_bytes / 2),
            count: 0,
        }
    }

    /// How many there are; the ordinal of the next one.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes the claim of a row, with its rank if it may be one of several versions.
    pub fn row(&mut self, key: Key, rank: Option<Rank>) -> Result<()> {
        let claim = self.claim(key);
        match rank {
            None => self.plain.push(claim),
            Some(_) => self.versioned.push(Versioned::new(claim, rank)),
        }
    }

    /// Takes a deletion of the row with this identity, wherever it lies.
    pub fn deletion(&mut self, identity: Identity) -> Result<()> {
        let claim = self.claim(Key(identity));
        self.versioned.push(Versioned::new(claim, None))
    }

    fn claim(&mut self, key: Key) -> Claim {
        self.count += 1;
        Claim {
            key,
            ordinal: self.count - 1,
        }
    }

    /// Judges every claim. Keys of new rows go to `new`, in order; keys of rows of the lake that the source has deleted
    /// go to `deleted`, by location.
    pub fn judge(self, index: &mut [IndexRun], new: &mut IndexWriter, deleted: &mut Spill<u128>) -> Result<Verdicts> {
        let mut verdicts = Verdicts::of(self.count);
        let mut all = Merged {
            plain: self.plain.sorted()?,
            versioned: self.versioned.sorted()?,
        };
        let (mut chunk, mut next) = (Chunk::default(), Chunk::default());
        all.fill(&mut chunk)?;
        while !chunk.claims.is_empty() {
            // The next claims are read and sorted meanwhile.
            let judge = || chunk.judge(index, new, deleted, &mut verdicts);
            let (judged, filled) = rayon::join(judge, || all.fill(&mut next));
            judged.and(filled)?;
            std::mem::swap(&mut chunk, &mut next);
        }
        Ok(verdicts)
    }
}

/// Both kinds of claims, by identity and ordinal.
struct Merged {
    plain: Gathered<Claim>,
    versioned: Gathered<Versioned>,
}

impl Merged {
    /// Makes a chunk the claims of the identities that come next.
    fn fill(&mut self, chunk: &mut Chunk) -> Result<()> {
        chunk.claims.clear();
        chunk.starts.clear();
        loop {
            let (plain, versioned) = (self.plain.peek(), self.versioned.peek().map(|version| &version.claim));
            let is_plain = plain.is_some_and(|claim| versioned.is_none_or(|other| claim < other));
            let Some(&Claim { key, .. }) = (if is_plain { plain } else { versioned }) else {
                return Ok(());
            };
            if !chunk.ends_with(key) {
                if chunk.starts.len() == CHUNK {
                    return Ok(());
                }
                chunk.starts.push(chunk.claims.len());
            }
            chunk.claims.extend(match is_plain {
                true => self.plain.next()?.map(|claim| (claim, Role::Row)),
                false => self.versioned.next()?.map(|version| (version.claim, version.role())),
            });
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Row,
    Version(Rank),
    Deletion,
}

/// Some identities with all their claims, in order of identity and ordinal.
#[derive(Default)]
struct Chunk {
    claims: Vec<(Claim, Role)>,
    /// Where the claims of each identity begin.
    starts: Vec<usize>,
}

impl Chunk {
    /// Whether the last claim is of the same row.
    fn ends_with(&self, key: Key) -> bool {
        self.claims
            .last()
            .is_some_and(|(last, _)| { last.key }.identity() == key.identity())
    }

    fn judge(
        &self,
        index: &mut [IndexRun],
        new: &mut IndexWriter,
        deleted: &mut Spill<u128>,
        verdicts: &mut Verdicts,
    ) -> Result<()> {
        let keys: Vec<Key> = self.starts.iter().map(|&start| self.claims[start].0.key).collect();
        let found: Vec<Vec<Option<Key>>> = index.par_iter_mut().map(|run| run.find(&keys)).collect::<Result<_>>()?;
        for (number, &start) in self.starts.iter().enumerate() {
            let end = self.starts.get(number + 1).copied().unwrap_or(self.claims.len());
            let claims = &self.claims[start..end];
            let is_deleted = claims.iter().any(|(_, role)| match role {
                Role::Row => false,
                Role::Version(rank) => !rank.is_live,
                Role::Deletion => true,
            });
            let winner = match found.iter().find_map(|run| run[number]) {
                Some(known) => {
                    if is_deleted {
                        deleted.push(known.by_location())?;
                    }
                    best_version(claims).inspect(|claim| verdicts.set(claim.ordinal, Verdict::Challenge));
                    Some(known)
                }
                None => {
                    let kept = if is_deleted {
                        Verdict::KeepDeleted
                    } else {
                        Verdict::Keep
                    };
                    let winner = best(claims).inspect(|claim| verdicts.set(claim.ordinal, kept));
                    winner.map_or(Ok(()), |claim| new.push(claim.key))?;
                    winner.map(|claim| claim.key)
                }
            };
            if winner.is_some() {
                let deletions = claims.iter().filter(|(_, role)| matches!(role, Role::Deletion));
                deletions.for_each(|(claim, _)| verdicts.set(claim.ordinal, Verdict::Keep));
            }
        }
        Ok(())
    }
}

/// The best of the rows: the first, unless a version of it is better.
fn best(claims: &[(Claim, Role)]) -> Option<Claim> {
    let mut best: Option<(Claim, Rank)> = None;
    for (claim, role) in claims {
        best = match (best, role) {
            (_, Role::Deletion) => best,
            (None, Role::Row) => Some((*claim, Rank::OTHER_ROUTE)),
            (None, Role::Version(rank)) => Some((*claim, *rank)),
            (Some((_, known)), Role::Version(rank)) if known.is_below(rank) => Some((*claim, *rank)),
            (Some(_), _) => best,
        };
    }
    best.map(|(claim, _)| claim)
}

/// The best of the versions alone.
fn best_version(claims: &[(Claim, Role)]) -> Option<Claim> {
    let is_version = |(_, role): &&(Claim, Role)| matches!(role, Role::Version(_));
    let versions: Vec<(Claim, Role)> = claims.iter().filter(is_version).copied().collect();
    best(&versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;
    use proptest::prelude::*;

    /// Each row or version comes three times: a chunk of so many claims would end within one.
    #[test]
    fn no_identity_is_judged_in_two_halves_wherever_chunks_end() {
        let home = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut claims = Claims::new(&disk, home.path(), 1 << 20);
        let identities = 2 * CHUNK as u64 + 1;
        for number in (0..3).flat_map(|_| 0..identities) {
            let identity = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
            let rank = (number % 3 == 0).then(|| Rank::new(true, Some(number as i64), 7));
            claims.row(Key::new(identity, Kind::Access, 24_000), rank).unwrap();
        }
        let mut new = IndexWriter::create(&disk, &home.path().join("new")).unwrap();
        let mut deleted = Spill::new(&disk, home.path().join("deleted"), 1 << 10);
        let verdicts = claims.judge(&mut [], &mut new, &mut deleted).unwrap();
        for ordinal in 0..3 * identities {
            let expected = if ordinal < identities {
                Verdict::Keep
            } else {
                Verdict::Drop
            };
            assert_eq!(verdicts.get(ordinal), expected, "{ordinal}");
        }
        assert_eq!(new.finish().unwrap().rows, identities);
    }

    proptest! {
        #[test]
        fn those_that_are_kept_are_counted_in_any_stretch(
            given in prop::collection::vec(0u8..4, 1..60), start in 0u64..60, length in 0u64..60,
        ) {
            let all = [Verdict::Drop, Verdict::Keep, Verdict::KeepDeleted, Verdict::Challenge];
            let mut verdicts = Verdicts::of(given.len() as u64);
            for (ordinal, verdict) in (0..).zip(&given) {
                verdicts.set(ordinal, all[usize::from(*verdict)]);
            }
            let start = start.min(given.len() as u64);
            let end = (start + length).min(given.len() as u64);
            let expected = given[start as usize..end as usize].iter().filter(|verdict| matches!(verdict, 1 | 2)).count();
            prop_assert_eq!(verdicts.kept(start..end), expected as u64);
        }
    }
}
