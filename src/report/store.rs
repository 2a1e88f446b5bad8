//! Sightings on their way from the order of time to that of the report: by environment and actor, then time.
//!
//! ```text
//! pieces in order of time ──64 actors together──▶ held (memory, then a file) ──by actor, where they are read──▶ in order
//! ```
//!
//! Each core has a store for its leg of the log, and their sightings follow each other. When the memory is full, all that
//! is held goes to one file without a name; what a few actors have there is known, and read before what is still held.
//!
//! Words: a *few* actors are those whose sightings lie together, in *pieces* in the order in which they came: 64, and of
//! a small environment fewer.
//!
//! Example: with room for three, a1 b1 a2 | b2 a3 is written as a1 b1 a2 and held as b2 a3; a1 a2 a3 b1 b2 come out.

use super::clock::LocalDates;
use super::kernel::Sighting;
use super::packed::{FEW_ACTORS, Far, HELD_BYTES, Head, Packed};
use crate::disk;
use crate::error::{AtPath, Error, Result};
use crate::lake::{By, Sightings};
use chrono_tz::Tz;
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sightings in a piece: as many as there are before it, within these bounds. What has been written once never moves.
const LEAST_PIECE: usize = 64;
const MOST_PIECE: usize = 2048;

/// Where sightings go that have no room in memory.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// A file without a name is made here when it is needed.
    pub dir: PathBuf,
    /// How many bytes of sightings are held in memory.
    pub memory_bytes: usize,
}

impl Scratch {
    pub fn new(dir: impl Into<PathBuf>) -> Scratch {
        Scratch {
            dir: dir.into(),
            memory_bytes: 256 << 20,
        }
    }
}

/// Takes sightings, those of an environment in order of time.
pub struct Store {
    file: Arc<Spilled>,
    dates: LocalDates,
    environments: Vec<Environment>,
    held: usize,
    /// As many are held.
    room: usize,
}

/// Where sightings are that had no room, once there are any: a file, and how many it has.
struct Spilled {
    dir: PathBuf,
    file: Mutex<Option<(File, u64)>>,
}

impl Spilled {
    fn lock(&self) -> MutexGuard<'_, Option<(File, u64)>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sightings of an environment, those of a few actors together.
struct Environment {
    /// So many are a few actors.
    few_actors: usize,
    /// How many there are of each actor: of those written, and in the end of all.
    counts: Vec<u32>,
    /// The pieces under way.
    last: Vec<Vec<Packed>>,
    before: Vec<Before>,
}

/// What there is of a few actors before the piece under way.
#[derive(Default)]
struct Before {
    written: Vec<Range<u64>>,
    full: Vec<Vec<Packed>>,
    full_count: usize,
    /// Those that do not fit.
    far: Vec<Far>,
}

impl Store {
    /// So many, which share the memory: what goes into one is earlier than what goes into the next. Dates are in `tz`.
    pub fn several(scratch: &Scratch, count: usize, tz: Tz) -> Vec<Store> {
        let file = Arc::new(Spilled {
            dir: scratch.dir.clone(),
            file: Mutex::default(),
        });
        let store = |_| Store {
            file: file.clone(),
            dates: LocalDates::new(tz),
            environments: Vec::new(),
            held: 0,
            room: (scratch.memory_bytes / HELD_BYTES / count).max(1),
        };
        (0..count).map(store).collect()
    }

    /// The sightings that follow are of the next environment, which has so many actors.
    pub fn begin_environment(&mut self, actor_count: usize) {
        // Who is read alone has all of the few read: where few have much, they lie apart.
        let few_actors = (actor_count / FEW_ACTORS).next_power_of_two().min(FEW_ACTORS);
        let fews = actor_count.div_ceil(few_actors);
        self.environments.push(Environment {
            few_actors,
            counts: vec![0; actor_count],
            last: vec![Vec::new(); fews],
            before: std::iter::repeat_with(Before::default).take(fews).collect(),
        });
    }

    /// Takes the next sightings of the environment.
    pub fn take(&mut self, mut sightings: Sightings<'_>) -> Result<()> {
        while !sightings.is_empty() {
            if self.held == self.room {
                self.write_out()?;
            }
            let (now, later) = sightings.split_at(sightings.len().min(self.room - self.held));
            self.hold(now)?;
            self.held += now.len();
            sightings = later;
        }
        Ok(())
    }

    fn hold(&mut self, mut sightings: Sightings<'_>) -> Result<()> {
        let environment = self.environments.last_mut();
        let environment = environment.ok_or_else(|| Error::failed("sightings of no environment"))?;
        while let Some(&first) = sightings.created_on.first() {
            let (of_one_date, later) = sightings.split_at(self.dates.run(sightings.created_on));
            environment.hold(of_one_date, self.dates.day(first));
            sightings = later;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let mut place = self.file.lock();
        let (file, end) = match &mut *place {
            Some(known) => known,
            none => none.insert((disk::unnamed(&self.file.dir)?, 0)),
        };
        let mut sink = BufWriter::with_capacity(1 << 20, &*file);
        let mut write = |environment: &mut Environment| -> io::Result<()> {
            environment.count_held();
            for (last, before) in environment.last.iter_mut().zip(&mut environment.before) {
                let (full, last) = (std::mem::take(&mut before.full), std::mem::take(last));
                let start = *end;
                for sighting in full.iter().flatten().chain(&last) {
                    sink.write_all(&sighting.to_bytes())?;
                    *end += 1;
                }
                before.full_count = 0;
                before.written.extend((start < *end).then_some(start..*end));
            }
            Ok(())
        };
        let written = self.environments.iter_mut().try_for_each(&mut write);
        let flushed = written.and_then(|()| sink.flush());
        flushed.at_path(&self.file.dir, "sightings cannot be written to a temporary file")?;
        self.held = 0;
        Ok(())
    }
}

impl Environment {
    fn count_held(&mut self) {
        let fews = self.last.iter().zip(&self.before);
        for (few, (last, before)) in fews.enumerate() {
            let counts = &mut self.counts[first_of(few * self.few_actors)..];
            let held = before.full.iter().flatten().chain(last);
            held.for_each(|sighting| counts[sighting.place()] += 1);
        }
    }

    /// Takes sightings of one local date, and of one in UTC.
    fn hold(&mut self, sightings: Sightings<'_>, date: i32) {
        let head = Head::of(sightings.created_on, date);
        let rows = sightings.created_on.iter().zip(sightings.actor).zip(sightings.by);
        for ((&on, &actor), &by) in rows {
            let few = actor as usize / self.few_actors;
            // Nobody has no place.
            let Some(last) = self.last.get_mut(few) else { continue };
            if last.len() == last.capacity() {
                self.before[few].take(last);
            }
            last.push(match head {
                Some(head) => Packed::new(head, on, actor, by),
                None => self.before[few].list((on, date), actor, by),
            });
        }
    }
}

impl Before {
    #[cold]
    fn take(&mut self, last: &mut Vec<Packed>) {
        self.full_count += last.len();
        let room = self.full_count.clamp(LEAST_PIECE, MOST_PIECE);
        let full = std::mem::replace(last, Vec::with_capacity(room));
        self.full.push(full);
    }

    #[cold]
    fn list(&mut self, far: Far, actor: u32, by: By) -> Packed {
        self.far.push(far);
        Packed::listed(self.far.len() - 1, actor, by)
    }
}

/// All sightings, to be read as often as needed.
pub struct Stored(Vec<Store>);

/// Sightings that are put in order together: of an environment, some of a few actors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub environment: usize,
    few: usize,
    places: Range<usize>,
}

impl Stored {
    /// Those of [several](Store::several) stores.
    pub fn of(mut stores: Vec<Store>) -> Stored {
        let environments = |store: &mut Store| store.environments.iter_mut().for_each(Environment::count_held);
        stores.par_iter_mut().with_max_len(1).for_each(environments);
        Stored(stores)
    }

    /// All there is, in the order of environments and their actors: stretches of whole actors, of at most so many
    /// sightings unless one actor has more. Who was never seen changes nothing.
    pub fn stretches(&self, most: usize) -> Vec<Vec<Share>> {
        let (mut stretches, mut room): (Vec<Vec<Share>>, usize) = (Vec::new(), 0);
        let environments = self.0.first().map_or(0, |store| store.environments.len());
        let actors = (0..environments).flat_map(|environment| {
            let actors = 0..self.0[0].environments[environment].counts.len();
            actors.map(move |actor| (environment, actor))
        });
        for (environment, actor) in actors {
            let count = self.count(environment, actor);
            if count == 0 {
                continue;
            }
            if count > room {
                stretches.push(Vec::new());
                room = most.max(count);
            }
            room -= count;
            let few = actor / self.0[0].environments[environment].few_actors;
            let place = actor % FEW_ACTORS;
            let last = stretches.len() - 1;
            let shares = &mut stretches[last];
            match shares.last_mut() {
                Some(share) if (share.environment, share.few) == (environment, few) => share.places.end = place + 1,
                _ => shares.push(Share {
                    environment,
                    few,
                    places: place..place + 1,
                }),
            }
        }
        stretches
    }

    /// How many sightings there are of an actor.
    fn count(&self, environment: usize, actor: usize) -> usize {
        let of_stores = self.0.iter().map(|store| store.environments[environment].counts[actor]);
        of_stores.map(|count| count as usize).sum()
    }

    /// The sightings of a share by actor, those of one in order of time.
    pub fn in_order<'r>(&self, share: &Share, room: &'r mut Room) -> Result<InOrder<'r>> {
        let mut pieces: Vec<(Cow<'_, [Packed]>, usize)> = Vec::new();
        room.far.clear();
        for store in &self.0 {
            let environment = &store.environments[share.environment];
            let (last, before) = (&environment.last[share.few], &environment.before[share.few]);
            let listed = room.far.len();
            for range in &before.written {
                pieces.push((store.read(range)?.into(), listed));
            }
            let held = before.full.iter().chain([last]);
            pieces.extend(held.map(|piece| (piece.as_slice().into(), listed)));
            room.far.extend_from_slice(&before.far);
        }
        // Where the next sighting of each actor goes.
        let mut nexts = [0; FEW_ACTORS];
        let mut count = 0;
        let first = first_of(share.few * self.0[0].environments[share.environment].few_actors);
        for place in share.places.clone() {
            nexts[place] = count;
            count += self.count(share.environment, first + place);
        }
        room.ordered.resize(count, Packed::default());
        for (piece, listed) in &pieces {
            let asked = piece.iter().filter(|sighting| share.places.contains(&sighting.place()));
            for sighting in asked {
                let next = &mut nexts[sighting.place()];
                room.ordered[*next] = sighting.behind(*listed);
                *next += 1;
            }
        }
        Ok(InOrder {
            first_actor: first as u32,
            sightings: &room.ordered,
            far: &room.far,
        })
    }
}

/// The actor to which the place of another is the distance.
fn first_of(actor: usize) -> usize {
    actor / FEW_ACTORS * FEW_ACTORS
}

/// Sightings of a few actors, in order.
pub struct InOrder<'r> {
    /// That of the first place.
    pub first_actor: u32,
    pub sightings: &'r [Packed],
    far: &'r [Far],
}

impl InOrder<'_> {
    pub fn unpacked(&self) -> impl Iterator<Item = Sighting> {
        let sightings = self.sightings.iter();
        sightings.map(|sighting| sighting.unpack(self.first_actor, self.far))
    }
}

/// Where sightings are put in order; used again and again.
#[derive(Default)]
pub struct Room {
    ordered: Vec<Packed>,
    far: Vec<Far>,
}

impl Store {
    fn read(&self, range: &Range<u64>) -> Result<Vec<Packed>> {
        let read = |(file, _): &mut (File, u64)| -> io::Result<Vec<u8>> {
            file.seek(SeekFrom::Start(range.start * HELD_BYTES as u64))?;
            let mut bytes = vec![0; (range.end - range.start) as usize * HELD_BYTES];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = self.file.lock().as_mut().map_or(Ok(Vec::new()), read);
        let bytes = bytes.at_path(&self.file.dir, "sightings cannot be read back from a temporary file")?;
        let sightings = bytes.as_chunks::<HELD_BYTES>().0.iter();
        Ok(sightings.map(|bytes| Packed::from_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::NOBODY;
    use proptest::prelude::*;
    use std::path::Path;

    type Row = (i64, u32);

    fn by(on: i64) -> By {
        [By::Web, By::WebServices, By::Change][on.rem_euclid(3) as usize]
    }

    /// Takes rows into stores: of each environment, those up to each of the cuts into one, and the rest into the last.
    fn stored(environments: &[Vec<Row>], cuts: &[usize], held: usize, dir: &Path) -> Stored {
        stored_of(5000, environments, cuts, held, dir)
    }

    /// The same in environments of so many actors.
    fn stored_of(actors: usize, environments: &[Vec<Row>], cuts: &[usize], held: usize, dir: &Path) -> Stored {
        let scratch = Scratch {
            dir: dir.to_owned(),
            memory_bytes: held * HELD_BYTES * (cuts.len() + 1),
        };
        let mut stores = Store::several(&scratch, cuts.len() + 1, Tz::UTC);
        for rows in environments {
            stores.iter_mut().for_each(|store| store.begin_environment(actors));
            let mut from = 0;
            for (store, cut) in stores.iter_mut().zip(cuts.iter().chain([&usize::MAX])) {
                let to = (*cut).clamp(from, rows.len());
                let created_on: Vec<i64> = rows[from..to].iter().map(|row| row.0).collect();
                let actor: Vec<u32> = rows[from..to].iter().map(|row| row.1).collect();
                let by: Vec<By> = created_on.iter().map(|on| by(*on)).collect();
                let sightings = Sightings {
                    created_on: &created_on,
                    actor: &actor,
                    by: &by,
                };
                store.take(sightings).expect("a disk");
                from = to;
            }
        }
        Stored::of(stores)
    }

    /// What comes out, by environment.
    fn all(stored: &Stored, environments: usize, most: usize) -> Vec<Vec<Row>> {
        let (mut found, mut room) = (vec![Vec::new(); environments], Room::default());
        for share in stored.stretches(most).concat() {
            let in_order = stored.in_order(&share, &mut room).expect("a disk");
            for sighting in in_order.unpacked() {
                assert_eq!(sighting.date, sighting.on.div_euclid(86_400_000_000) as i32);
                assert_eq!(sighting.by, by(sighting.on));
                found[share.environment].push((sighting.on, sighting.actor));
            }
        }
        found
    }

    #[test]
    fn what_is_written_comes_before_what_is_held() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let (a, b) = (3, 90);
        let rows = vec![(1, a), (2, b), (3, a), (4, b), (5, a)];
        let stored = stored(&[rows], &[], 3, home.path());
        let expected = [(1, a), (3, a), (5, a), (2, b), (4, b)];
        for _ in 0..2 {
            assert_eq!(all(&stored, 1, 100).concat(), expected);
        }
        let written = stored.0[0].file.lock().as_ref().map(|(_, count)| *count);
        assert_eq!(written, Some(3));
        let files = std::fs::read_dir(home.path()).expect("a folder");
        assert_eq!(files.count(), 0, "the file has no name");
    }

    #[test]
    fn nothing_is_written_while_there_is_room() {
        let dir = Path::new("never made");
        let stored = stored(&[vec![(1, 1), (2, 0)]], &[], 2, dir);
        assert!(stored.0[0].file.lock().is_none() && !dir.exists());
        assert_eq!(all(&stored, 1, 100), [[(2, 0), (1, 1)]]);
    }

    #[test]
    fn stretches_are_of_whole_actors_and_do_not_depend_on_who_is_never_seen() {
        let never = Path::new("never made");
        let places = |actors: &[u32], most: usize| -> Vec<Vec<(usize, Range<usize>)>> {
            // Each twice.
            let rows = (0..2).flat_map(|on| actors.iter().map(move |actor| (on, *actor)));
            let stored = stored(&[rows.collect()], &[], 1000, never);
            let places = |shares: Vec<Share>| shares.into_iter().map(|share| (share.few, share.places)).collect();
            stored.stretches(most).into_iter().map(places).collect()
        };
        assert_eq!(places(&[], 4), [[]; 0]);
        assert_eq!(places(&[3, 5, 6], 4), [[(0, 3..6)], [(0, 6..7)]]);
        assert_eq!(places(&[3, 63, 64], 1), [[(0, 3..4)], [(0, 63..64)], [(1, 0..1)]]);
        assert_eq!(places(&[3, 63, 64], 6), [[(0, 3..64), (1, 0..1)]]);
    }

    proptest! {
        #[test]
        fn any_room_cuts_and_shares_give_the_same_sightings_in_the_same_order(
            environments in prop::collection::vec(prop::collection::vec((0i64..50, 0u32..6), 0..150), 1..4),
            at in prop::sample::select(vec![0, -5_000_000_000, 1 << 53, -(1 << 53), 1 << 60]),
            actors in prop::sample::select(vec![130, 1000, 5000]), held in 1usize..90, cuts in prop::collection::vec(0usize..150, 0..3), most in 1usize..100,
        ) {
            let home = tempfile::tempdir().expect("a temporary folder");
            // Nobody has no sightings.
            let actor = |place: u32| [0, 1, 63, 64, 129, NOBODY][place as usize];
            let mut environments = environments;
            for rows in &mut environments {
                rows.sort_unstable();
                rows.iter_mut().for_each(|row| *row = (at + row.0 * 1_000_000_000, actor(row.1)));
            }
            let mut cuts = cuts;
            cuts.sort_unstable();
            let stored = stored_of(actors, &environments, &cuts, held, home.path());
            let found = all(&stored, environments.len(), most);
            for rows in &mut environments {
                rows.retain(|row| row.1 != NOBODY);
                rows.sort_by_key(|row| row.1);
            }
            prop_assert_eq!(found, environments);
        }
    }
}
