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
//! Words: a *few* actors are those whose sessions lie together, in *pieces* in the order in which they came.

use super::kernel::Session;
use crate::instant::MICROS_PER_SECOND;

/// Bytes of a session in memory.
pub const HELD_BYTES: usize = size_of::<Packed>();

/// Actors whose sessions are held together: so few that these are put in order where they are near.
pub const FEW_ACTORS: u32 = 64;

/// Sessions in a piece: as many as there are before it, within these bounds. What has been written once never moves.
const LEAST_PIECE: usize = 64;
const MOST_PIECE: usize = 1024;

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
    fews: Vec<Few>,
    /// Sessions that do not fit.
    listed: Vec<Session>,
}

/// Those of a few actors.
#[derive(Default)]
struct Few {
    full: Vec<Vec<Packed>>,
    full_count: usize,
    /// The piece under way.
    last: Vec<Packed>,
}

impl Held {
    pub fn add(&mut self, session: &Session) {
        let place = (session.actor / FEW_ACTORS) as usize;
        if place >= self.fews.len() {
            self.fews.resize_with(place + 1, Few::default);
        }
        let packed = match pack(session) {
            Some(packed) => packed,
            None => self.list(session),
        };
        let few = &mut self.fews[place];
        if few.last.len() == few.last.capacity() {
            few.begin_piece();
        }
        few.last.push(packed);
    }

    #[cold]
    fn list(&mut self, session: &Session) -> Packed {
        self.listed.push(*session);
        let place = u64::from(session.actor % FEW_ACTORS);
        Packed((self.listed.len() as u64 - 1) | (place << ON_BITS), LISTED)
    }

    /// How many sessions there are of a few actors.
    fn count(&self, few: usize) -> usize {
        let count = |few: &Few| few.full_count + few.last.len();
        self.fews.get(few).map_or(0, count)
    }

    /// The sessions of a few actors, as they came.
    fn of_few(&self, few: usize) -> impl Iterator<Item = &Packed> {
        let few = self.fews.get(few).into_iter();
        few.flat_map(|few| few.full.iter().flatten().chain(&few.last))
    }

    /// Forgets all sessions.
    pub fn clear(&mut self) {
        self.fews.clear();
        self.listed.clear();
    }
}

impl Few {
    #[cold]
    fn begin_piece(&mut self) {
        self.full_count += self.last.len();
        let room = self.full_count.clamp(LEAST_PIECE, MOST_PIECE);
        let full = std::mem::replace(&mut self.last, Vec::with_capacity(room));
        self.full.push(full);
    }
}

/// How many times a few actors there are.
pub fn fews(all: &[Held]) -> usize {
    all.iter().map(|held| held.fews.len()).max().unwrap_or(0)
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
pub fn unpack(all: &[Held], few: usize, packed: Packed) -> Session {
    if packed.is_listed() {
        return listed(all, packed);
    }
    Session {
        actor: few as u32 * FEW_ACTORS + packed.place() as u32,
        started_date: packed.started_date(),
        started_on: packed.started_on(),
        last_seen_on: packed.started_on() + packed.length(),
        web: packed.web(),
        web_services: packed.web_services(),
        changes: packed.changes(),
        starts_with_change: packed.0 >> 62 & 1 == 1,
        ends_with_change: packed.0 >> 63 == 1,
    }
}

/// The session that stands in one of the lists.
#[cold]
pub fn listed(all: &[Held], packed: Packed) -> Session {
    let mut lists = all.iter().flat_map(|held| &held.listed);
    let place = packed.started_on() as usize;
    lists.nth(place).copied().unwrap_or(Session::none(0))
}

impl Packed {
    /// That of the actor.
    pub fn place(self) -> usize {
        (self.0 >> ON_BITS) as usize % FEW_ACTORS as usize
    }

    pub fn is_listed(self) -> bool {
        self.1 & mask(LENGTH_BITS) == LISTED
    }

    pub fn started_on(self) -> i64 {
        (self.0 & mask(ON_BITS)) as i64
    }

    pub fn length(self) -> i64 {
        (self.1 & mask(LENGTH_BITS)) as i64
    }

    pub fn started_date(self) -> i32 {
        let beside = self.0 >> 60 & mask(DATE_BITS);
        self.started_on().div_euclid(DAY_US) as i32 + beside as i32 - 1
    }

    pub fn web(self) -> u32 {
        (self.1 >> 42 & mask(COUNT_BITS)) as u32
    }

    pub fn web_services(self) -> u32 {
        (self.1 >> 50 & mask(COUNT_BITS)) as u32
    }

    pub fn changes(self) -> u32 {
        (self.1 >> 58) as u32
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
    use super::super::ordered::Columns;
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
                let (mut columns, mut plain) = (Columns::default(), Columns::default());
                columns.fill_of_held(&all, few, &packed);
                plain.fill(&room);
                prop_assert_eq!(columns, plain);
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
