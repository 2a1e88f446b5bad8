//! Sessions on their way from the order in which they end to the order of the report: by actor, then start.
//!
//! Each core has a store for its leg of the log, and their sessions follow each other. They are held in memory; when
//! that is full, they are written in order, as a *run*, behind those that already are in one file without a name. An actor's sessions end in order of time, so nothing is compared but actors: sessions of a
//! few actors are held together and counted into their places, and those of an earlier run stand before later ones.
//!
//! Example: with room for three, sessions that end in the order a1 b1 a2 | b2 a3 make the runs [a1 a2 b1] [a3 b2], and
//! a1 a2 a3 b1 b2 come out.

use super::kernel::Session;
use super::ordered::Lot;
use super::packed::{self, HELD_BYTES, Held, Packed};
use crate::disk;
use crate::error::{AtPath, Result};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a session in the file.
const RECORD: usize = 40;

/// Sessions read from a run at a time.
const READ_SESSIONS: u64 = 1 << 12;

/// Where sessions go that have no room in memory.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// A file without a name is made here when it is needed.
    pub dir: PathBuf,
    /// How many bytes of sessions are held in memory.
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

/// Takes sessions, those of one actor in order of time.
pub struct Store {
    file: Arc<RunFile>,
    held: Held,
    count: usize,
    /// As many are held.
    room: usize,
    runs: Vec<Range<u64>>,
}

/// Where runs are, once there are any: a file, and how many sessions it has.
struct RunFile {
    dir: PathBuf,
    file: Mutex<Option<(File, u64)>>,
}

impl RunFile {
    fn lock(&self) -> MutexGuard<'_, Option<(File, u64)>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// So many, which share the memory: of an actor, what goes into one is earlier than what goes into the next.
    pub fn several(scratch: &Scratch, count: usize) -> Vec<Store> {
        let file = Arc::new(RunFile {
            dir: scratch.dir.clone(),
            file: Mutex::default(),
        });
        let store = |_| Store {
            file: file.clone(),
            held: Held::default(),
            count: 0,
            room: (scratch.memory_bytes / HELD_BYTES / count).max(1),
            runs: Vec::new(),
        };
        (0..count).map(store).collect()
    }

    pub fn len(&self) -> usize {
        let written = self.runs.iter().map(|run| (run.end - run.start) as usize);
        written.sum::<usize>() + self.count
    }

    pub fn add(&mut self, session: &Session) -> Result<()> {
        if self.count == self.room {
            self.write_run()?;
        }
        self.held.add(session);
        self.count += 1;
        Ok(())
    }

    fn write_run(&mut self) -> Result<()> {
        let mut place = self.file.lock();
        let (file, end) = match &mut *place {
            Some(known) => known,
            none => none.insert((disk::unnamed(&self.file.dir)?, 0)),
        };
        let mut sink = BufWriter::with_capacity(1 << 20, &*file);
        let (held, mut ordered) = (std::slice::from_ref(&self.held), Vec::new());
        let written = (0..packed::fews(held)).try_for_each(|few| {
            packed::put_in_order(held, few, &mut ordered);
            let sessions = ordered.iter().map(|session| packed::unpack(held, few, *session));
            sessions
                .into_iter()
                .try_for_each(|session| sink.write_all(&to_bytes(&session)))
        });
        self.held.clear();
        let flushed = written.and_then(|()| sink.flush());
        flushed.at_path(&self.file.dir, "sessions cannot be written to a temporary file")?;
        drop(sink);
        self.runs.push(*end..*end + self.count as u64);
        *end += self.count as u64;
        self.count = 0;
        Ok(())
    }
}

/// All sessions, to be read in order, as often as needed.
pub struct Stored {
    file: Arc<RunFile>,
    held: Vec<Held>,
    runs: Vec<Range<u64>>,
}

impl Stored {
    /// Those of [several](Store::several) stores.
    pub fn of(mut stores: Vec<Store>) -> Result<Stored> {
        // What one holds is earlier than the runs of the next.
        let runs_after =
            |stores: &[Store], place: usize| stores[place + 1..].iter().any(|store| !store.runs.is_empty());
        for place in 0..stores.len() {
            if runs_after(&stores, place) && stores[place].count > 0 {
                stores[place].write_run()?;
            }
        }
        Ok(Stored {
            file: stores[0].file.clone(),
            runs: stores
                .iter_mut()
                .flat_map(|store| std::mem::take(&mut store.runs))
                .collect(),
            held: stores.into_iter().map(|store| store.held).collect(),
        })
    }

    /// From the first actor's first session on.
    pub fn in_order(&self) -> InOrder<'_> {
        let written = self.runs.iter().map(|run| Cursor {
            read: Vec::new(),
            place: 0,
            unread: run.clone(),
        });
        InOrder {
            stored: self,
            cursors: written.collect(),
            few: 0,
            given: 0,
            merged: Vec::new(),
            merged_given: 0,
            ordered: Vec::new(),
        }
    }

    fn read(&self, sessions: Range<u64>) -> Result<Vec<Session>> {
        let read = |(file, _): &mut (File, u64)| -> io::Result<Vec<u8>> {
            file.seek(SeekFrom::Start(sessions.start * RECORD as u64))?;
            let mut bytes = vec![0; (sessions.end - sessions.start) as usize * RECORD];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = self.file.lock().as_mut().map_or(Ok(Vec::new()), read);
        let bytes = bytes.at_path(&self.file.dir, "sessions cannot be read back from a temporary file")?;
        Ok(bytes.as_chunks::<RECORD>().0.iter().map(from_bytes).collect())
    }
}

/// A written run, of which some sessions are read.
struct Cursor {
    read: Vec<Session>,
    place: usize,
    unread: Range<u64>,
}

impl Cursor {
    fn fill(&mut self, stored: &Stored) -> Result<()> {
        if self.place == self.read.len() && !self.unread.is_empty() {
            let end = self.unread.end.min(self.unread.start + READ_SESSIONS);
            self.read = stored.read(self.unread.start..end)?;
            self.place = 0;
            self.unread.start = end;
        }
        Ok(())
    }

    fn rest(&self) -> &[Session] {
        &self.read[self.place..]
    }
}

pub struct InOrder<'s> {
    stored: &'s Stored,
    cursors: Vec<Cursor>,
    /// The few actors whose held sessions come next, and how many of these are gone.
    few: usize,
    given: usize,
    /// Held ones that are merged with written ones, and those of them that are gone.
    merged: Vec<Session>,
    merged_given: usize,
    ordered: Vec<Packed>,
}

impl<'s> InOrder<'s> {
    /// The next sessions of actors below `actors_end`, at most `count`; `None` when there are no more.
    pub fn next(&mut self, count: usize, actors_end: u32) -> Result<Option<Lot<'s>>> {
        match self.cursors.is_empty() {
            true => Ok(self.next_held(count, actors_end)),
            false => {
                let sessions = self.merge(count, actors_end)?;
                Ok((!sessions.is_empty()).then_some(Lot::Merged(sessions)))
            }
        }
    }

    fn next_held(&mut self, count: usize, actors_end: u32) -> Option<Lot<'s>> {
        let held = self.stored.held.as_slice();
        while self.few < packed::fews(held) {
            let (few, end) = (self.few, packed::count_below(held, self.few, actors_end));
            if self.given < end {
                let sessions = self.given..end.min(self.given + count);
                self.given = sessions.end;
                return Some(Lot::Held { held, few, sessions });
            }
            if end < packed::count(held, few) {
                return None;
            }
            (self.few, self.given) = (few + 1, 0);
        }
        None
    }

    fn merge(&mut self, count: usize, actors_end: u32) -> Result<Vec<Session>> {
        let mut found = Vec::with_capacity(count.min(1 << 14));
        for cursor in &mut self.cursors {
            cursor.fill(self.stored)?;
        }
        self.fill();
        while found.len() < count {
            let read = self.cursors.iter().filter_map(|cursor| cursor.rest().first());
            let actors = read.chain(self.rest().first()).map(|session| session.actor);
            let Some(actor) = actors.min().filter(|actor| *actor < actors_end) else {
                break;
            };
            for cursor in &mut self.cursors {
                loop {
                    let taken = take_of(cursor.rest(), actor, count, &mut found);
                    cursor.place += taken;
                    cursor.fill(self.stored)?;
                    if taken == 0 {
                        break;
                    }
                }
            }
            self.merged_given += take_of(&self.merged[self.merged_given..], actor, count, &mut found);
            self.fill();
        }
        Ok(found)
    }

    fn rest(&self) -> &[Session] {
        &self.merged[self.merged_given..]
    }

    /// Puts the next held ones in order when the last are gone. An actor's are together.
    fn fill(&mut self) {
        let held = self.stored.held.as_slice();
        while self.rest().is_empty() && self.few < packed::fews(held) {
            packed::put_in_order(held, self.few, &mut self.ordered);
            let sessions = self
                .ordered
                .iter()
                .map(|packed| packed::unpack(held, self.few, *packed));
            self.merged.clear();
            self.merged.extend(sessions);
            (self.merged_given, self.few) = (0, self.few + 1);
        }
    }
}

/// Copies the first sessions as far as they are of one actor and there is room.
fn take_of(rest: &[Session], actor: u32, count: usize, found: &mut Vec<Session>) -> usize {
    let room = count - found.len();
    let of_actor = rest.iter().take(room).take_while(|session| session.actor == actor);
    let before = found.len();
    found.extend(of_actor);
    found.len() - before
}

fn to_bytes(session: &Session) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[0..4].copy_from_slice(&session.actor.to_le_bytes());
    bytes[4..8].copy_from_slice(&session.started_date.to_le_bytes());
    bytes[8..16].copy_from_slice(&session.started_on.to_le_bytes());
    bytes[16..24].copy_from_slice(&session.last_seen_on.to_le_bytes());
    bytes[24..28].copy_from_slice(&session.web.to_le_bytes());
    bytes[28..32].copy_from_slice(&session.web_services.to_le_bytes());
    bytes[32..36].copy_from_slice(&session.changes.to_le_bytes());
    bytes[36] = u8::from(session.starts_with_change);
    bytes[37] = u8::from(session.ends_with_change);
    bytes
}

fn from_bytes(bytes: &[u8; RECORD]) -> Session {
    let four = |at: usize| std::array::from_fn(|byte| bytes[at + byte]);
    let eight = |at: usize| std::array::from_fn(|byte| bytes[at + byte]);
    Session {
        actor: u32::from_le_bytes(four(0)),
        started_date: i32::from_le_bytes(four(4)),
        started_on: i64::from_le_bytes(eight(8)),
        last_seen_on: i64::from_le_bytes(eight(16)),
        web: u32::from_le_bytes(four(24)),
        web_services: u32::from_le_bytes(four(28)),
        changes: u32::from_le_bytes(four(32)),
        starts_with_change: bytes[36] == 1,
        ends_with_change: bytes[37] == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn session(actor: u32, started_on: i64) -> Session {
        Session {
            actor,
            started_date: -(actor as i32) - 1,
            started_on,
            last_seen_on: -started_on,
            web: actor.wrapping_mul(3),
            web_services: u32::MAX - actor,
            changes: actor.wrapping_mul(5),
            starts_with_change: started_on % 2 == 0,
            ends_with_change: started_on % 3 == 0,
        }
    }

    fn stored(sessions: &[Session], held: usize, dir: &Path) -> Stored {
        stored_in_several(sessions, &[], held, dir)
    }

    /// A store that takes the sessions up to each of the cuts, and one for the rest.
    fn stored_in_several(sessions: &[Session], cuts: &[usize], held: usize, dir: &Path) -> Stored {
        let scratch = Scratch {
            dir: dir.to_owned(),
            memory_bytes: held * HELD_BYTES * (cuts.len() + 1),
        };
        let mut stores = Store::several(&scratch, cuts.len() + 1);
        for (place, session) in sessions.iter().enumerate() {
            let cuts_before = cuts.iter().filter(|cut| **cut <= place).count();
            stores[cuts_before].add(session).expect("a disk");
        }
        assert_eq!(stores.iter().map(Store::len).sum::<usize>(), sessions.len());
        Stored::of(stores).expect("a disk")
    }

    fn all(stored: &Stored, count: usize, actors_ends: &[u32]) -> Vec<Session> {
        let mut in_order = stored.in_order();
        let mut found = Vec::new();
        for &end in actors_ends {
            while let Some(next) = in_order.next(count, end).expect("a disk") {
                let mut room = Vec::new();
                assert!((1..=count).contains(&next.len()));
                let next = next.in_order(&mut room);
                found.extend((0..next.len()).map(|place| next.at(place)));
                assert!(found.iter().all(|session| session.actor < end));
            }
        }
        found
    }

    #[test]
    fn runs_are_merged_by_actor_and_the_earlier_run_comes_first() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let [a1, b1, a2, b2, a3] = [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3)].map(|(actor, on)| session(actor, on));
        let stored = stored(&[a1, b1, a2, b2, a3], 3, home.path());
        assert_eq!((stored.runs.len(), &stored.runs[0]), (1, &(0..3)));
        assert_eq!(all(&stored, 10, &[9]), [a1, a2, a3, b1, b2]);
        assert_eq!(
            all(&stored, 2, &[1, 9]),
            [a1, a2, a3, b1, b2],
            "a second time, in small pieces"
        );
        assert_eq!(
            std::fs::read_dir(home.path()).expect("a folder").count(),
            0,
            "the file has no name"
        );
    }

    #[test]
    fn nothing_is_written_while_there_is_room() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let dir = home.path().join("none");
        let stored = stored(&[session(1, 1), session(0, 1)], 2, &dir);
        assert!(stored.file.lock().is_none() && !dir.exists());
        assert_eq!(all(&stored, 1, &[9]), [session(0, 1), session(1, 1)]);
    }

    #[test]
    fn long_runs_are_read_in_pieces() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let count = 3 * READ_SESSIONS as i64 + 5;
        let sessions: Vec<Session> = (0..count).map(|on| session((on % 7 == 0).into(), on)).collect();
        let stored = stored(&sessions, sessions.len() / 2 + 1, home.path());
        let mut expected = sessions;
        expected.sort_by_key(|session| session.actor);
        assert_eq!(all(&stored, 1000, &[9]), expected);
    }

    proptest! {
        #[test]
        fn any_room_gives_the_same_sessions_in_the_same_order(
            actors in prop::collection::vec(0u32..6, 0..80), held in 1usize..90, count in 1usize..20, end in 0u32..7,
            cuts in prop::collection::vec(0usize..80, 0..3),
        ) {
            let home = tempfile::tempdir().expect("a temporary folder");
            let sessions: Vec<Session> =
                actors.iter().enumerate().map(|(on, &actor)| session(actor, on as i64)).collect();
            let mut expected = sessions.clone();
            expected.sort_by_key(|session| session.actor);
            prop_assert_eq!(all(&stored_in_several(&sessions, &cuts, held, home.path()), count, &[end, 9]), expected);
        }
    }
}
