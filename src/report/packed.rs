//! Sessions held in little memory: 16 bytes each instead of 40, since what is touched for the first time costs more than
//! anything that is done with it.
//!
//! ```text
//! 0      started_on 54 │ place of the actor 6 │ date 2 │ starts, ends with a change 1, 1
//! 8      length 42 │ web 8 │ web services 8 │ changes 6
//! ```
//!
//! The date is told by its distance from that in UTC, a day at most. What does not fit is held as it is, in a list; the
//! greatest length says so, and where an instant would stand is the place in the list.
//!
//! Words: a *few* actors are those whose sessions lie together, in *pieces* in the order in which they came; a *place* is
//! that of a session among all pieces, which lie in blocks that never move.

use super::kernel::Session;
use crate::instant::MICROS_PER_SECOND;

/// Bytes of a session in memory.
pub const HELD_BYTES: usize = size_of::<Packed>();

/// Actors whose sessions are held together: so few that these are put in order where they are near.
const FEW_ACTORS: u32 = 64;

/// Sessions in a piece, and in a block.
const PIECE: usize = 128;
const BLOCK: usize = 1 << 16;

const DAY_US: i64 = 86_400 * MICROS_PER_SECOND;

const ON_BITS: u32 = 54;
const LENGTH_BITS: u32 = 42;
const DATE_BITS: u32 = 2;
const COUNT_BITS: u32 = 8;
const CHANGES_BITS: u32 = 6;

/// The length of a session that is in the list.
const LISTED: u64 = mask(LENGTH_BITS);

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// A session, for who knows of which few actors it is and who holds it.
#[derive(Clone, Copy)]
pub struct Packed(u64, u64);

/// Sessions as they came, those of a few actors together.
#[derive(Default)]
pub struct Held {
    blocks: Vec<Vec<Packed>>,
    /// Pieces in use.
    pieces: usize,
    /// For each few actors where their next session goes: into a new piece at the end of one.
    next: Vec<usize>,
    /// And their pieces.
    pieces_of: Vec<Vec<usize>>,
    /// Sessions that do not fit.
    listed: Vec<Session>,
}

impl Held {
    pub fn add(&mut self, session: &Session) {
        let few = (session.actor / FEW_ACTORS) as usize;
        if few >= self.next.len() {
            self.next.resize(few + 1, 0);
            self.pieces_of.resize(few + 1, Vec::new());
        }
        let packed = pack(session).unwrap_or_else(|| {
            self.listed.push(*session);
            let place = u64::from(session.actor % FEW_ACTORS);
            Packed((self.listed.len() as u64 - 1) | (place << ON_BITS), LISTED)
        });
        if self.next[few].is_multiple_of(PIECE) {
            self.add_piece(few);
        }
        let place = self.next[few];
        self.blocks[place / BLOCK][place % BLOCK] = packed;
        self.next[few] += 1;
    }

    fn add_piece(&mut self, few: usize) {
        let start = self.pieces * PIECE;
        if start == self.blocks.len() * BLOCK {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = &mut self.blocks[start / BLOCK];
        // Piece by piece, so that what is cleared is soon written.
        block.resize(block.len().max(start % BLOCK + PIECE), Packed(0, 0));
        self.pieces_of[few].push(self.pieces);
        self.next[few] = start;
        self.pieces += 1;
    }

    /// How many sessions there are of a few actors.
    fn count(&self, few: usize) -> usize {
        let pieces = self.pieces_of.get(few).map_or(&[][..], Vec::as_slice);
        let last = pieces.last();
        last.map_or(0, |last| (pieces.len() - 1) * PIECE + self.next[few] - last * PIECE)
    }

    /// The sessions of a few actors, as they came.
    fn of_few(&self, few: usize) -> impl Iterator<Item = &Packed> {
        let mut left = self.count(few);
        let pieces = self.pieces_of.get(few).into_iter().flatten().map(move |piece| {
            let (start, count) = (piece * PIECE, left.min(PIECE));
            left -= count;
            &self.blocks[start / BLOCK][start % BLOCK..][..count]
        });
        pieces.flatten()
    }

    /// Forgets all sessions; their room stays.
    pub fn clear(&mut self) {
        self.pieces = 0;
        self.next.clear();
        self.pieces_of.clear();
        self.listed.clear();
    }
}

/// How many times a few actors there are.
pub fn fews(all: &[Held]) -> usize {
    all.iter().map(|held| held.next.len()).max().unwrap_or(0)
}

/// How many sessions there are of a few actors.
pub fn count(all: &[Held], few: usize) -> usize {
    all.iter().map(|held| held.count(few)).sum()
}

/// The same of those of them that are below an end.
pub fn count_below(all: &[Held], few: usize, actors_end: u32) -> usize {
    let actors = actors_end.saturating_sub(few as u32 * FEW_ACTORS);
    if actors >= FEW_ACTORS {
        return count(all, few);
    }
    let places = all
        .iter()
        .flat_map(|held| held.of_few(few))
        .map(|packed| packed.place());
    places.filter(|place| *place < actors as usize).count()
}

/// Puts those of a few actors in place of what was there, by actor; those of one stay in their order.
pub fn put_in_order(all: &[Held], few: usize, ordered: &mut Vec<Packed>) {
    let mut places = [0; FEW_ACTORS as usize];
    for held in all {
        held.of_few(few).for_each(|packed| places[packed.place()] += 1);
    }
    let mut before = 0;
    for place in &mut places {
        before += std::mem::replace(place, before);
    }
    ordered.resize(before, Packed(0, 0));
    let mut listed_before = 0;
    for held in all {
        for packed in held.of_few(few) {
            let next = &mut places[packed.place()];
            // Now the place in all lists.
            let offset = if packed.is_listed() { listed_before } else { 0 };
            ordered[*next] = Packed(packed.0 + offset, packed.1);
            *next += 1;
        }
        listed_before += held.listed.len() as u64;
    }
}

/// A session of those that were put in order.
// Inlined, so that its fields are numbers at once and are not read back from a session that has just been written.
#[inline(always)]
pub fn unpack(all: &[Held], few: usize, packed: Packed) -> Session {
    let Packed(start, rest) = packed;
    let (on, length) = (start & mask(ON_BITS), rest & mask(LENGTH_BITS));
    if packed.is_listed() {
        return listed(all, on as usize);
    }
    let field = |word: u64, from: u32, bits: u32| (word >> from & mask(bits)) as u32;
    let (on, length) = (on as i64, length as i64);
    Session {
        actor: few as u32 * FEW_ACTORS + packed.place() as u32,
        started_date: on.div_euclid(DAY_US) as i32 + field(start, 60, DATE_BITS) as i32 - 1,
        started_on: on,
        last_seen_on: on + length,
        web: field(rest, 42, COUNT_BITS),
        web_services: field(rest, 50, COUNT_BITS),
        changes: field(rest, 58, CHANGES_BITS),
        starts_with_change: field(start, 62, 1) == 1,
        ends_with_change: field(start, 63, 1) == 1,
    }
}

/// The session at a place of all lists.
#[cold]
fn listed(all: &[Held], place: usize) -> Session {
    let mut lists = all.iter().flat_map(|held| &held.listed);
    lists.nth(place).copied().unwrap_or(Session::none(0))
}

impl Packed {
    /// That of the actor.
    fn place(self) -> usize {
        (self.0 >> ON_BITS) as usize % FEW_ACTORS as usize
    }

    fn is_listed(self) -> bool {
        self.1 & mask(LENGTH_BITS) == LISTED
    }
}

/// The session in 16 bytes, if it fits.
fn pack(session: &Session) -> Option<Packed> {
    let on = session.started_on as u64;
    let length = session.last_seen_on.wrapping_sub(session.started_on) as u64;
    let date = i64::from(session.started_date) - session.started_on.div_euclid(DAY_US) + 1;
    let (web, web_services) = (u64::from(session.web), u64::from(session.web_services));
    let changes = u64::from(session.changes);
    let beyond = (on >> ON_BITS)
        | (length >> LENGTH_BITS)
        | (length.wrapping_add(1) >> LENGTH_BITS)
        | (date as u64 >> DATE_BITS)
        | (web >> COUNT_BITS)
        | (web_services >> COUNT_BITS)
        | (changes >> CHANGES_BITS);
    let start = on
        | u64::from(session.actor % FEW_ACTORS) << 54
        | (date as u64) << 60
        | u64::from(session.starts_with_change) << 62
        | u64::from(session.ends_with_change) << 63;
    let rest = length | web << 42 | web_services << 50 | changes << 58;
    (beyond == 0).then_some(Packed(start, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near<T: Copy + std::fmt::Debug>(edges: &'static [T]) -> impl Strategy<Value = T> {
        prop::sample::select(edges)
    }

    const COUNTS: [u32; 7] = [0, 1, 63, 64, 255, 256, u32::MAX];

    proptest! {
        #[test]
        fn sessions_come_back_by_actor_and_in_their_order(
            rows in prop::collection::vec((
                0u32..192,
                near(&[i64::MIN, -1, 0, 1, DAY_US - 1, 1_767_225_600_123_456, (1 << 54) - 1, 1 << 54]),
                near(&[0, 1, 999, (1 << 42) - 2, (1 << 42) - 1, 1 << 42]),
                near(&[i32::MIN, -1, 0, 1, 2, 20_453, 20_454, 20_455]),
                (near(&COUNTS), near(&COUNTS), near(&COUNTS), any::<bool>(), any::<bool>()),
            ), 0..600),
            cut in 0usize..600,
        ) {
            let session = |&(actor, started_on, length, started_date, (web, web_services, changes, starts, ends)): &(u32, i64, i64, i32, _)| Session {
                actor, started_date, started_on, last_seen_on: started_on.wrapping_add(length), web, web_services, changes,
                starts_with_change: starts, ends_with_change: ends,
            };
            let mut sessions: Vec<Session> = rows.iter().map(session).collect();
            let mut all = [Held::default(), Held::default()];
            for _ in 0..2 {
                let (first, second) = sessions.split_at(cut.min(sessions.len()));
                for (held, sessions) in all.iter_mut().zip([first, second]) {
                    held.clear();
                    sessions.iter().for_each(|session| held.add(session));
                }
            }
            sessions.sort_by_key(|session| session.actor);
            let (mut found, mut packed) = (Vec::new(), vec![Packed(7, 7); 3]);
            for few in 0..fews(&all) {
                put_in_order(&all, few, &mut packed);
                let room: Vec<Session> = packed.iter().map(|packed| unpack(&all, few, *packed)).collect();
                prop_assert_eq!(count(&all, few), room.len());
                for end in [0, 63, 64, 65, 100, 127, 128, 150, u32::MAX] {
                    let below = room.iter().filter(|session| session.actor < end).count();
                    prop_assert_eq!(count_below(&all, few, end), below);
                }
                found.extend(room);
            }
            prop_assert_eq!(found, sessions);
        }
    }

    #[test]
    fn the_usual_session_fits() {
        let usual = Session {
            actor: 7,
            started_date: 20_455,
            started_on: 1_767_225_600_123_456,
            last_seen_on: 1_767_225_700_123_456,
            web: 3,
            web_services: 1,
            changes: 2,
            starts_with_change: false,
            ends_with_change: true,
        };
        assert!(pack(&usual).is_some());
    }
}
