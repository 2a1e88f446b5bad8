//! Sessions on their way from the order in which they end to the order of the report: by actor, then start.
//!
//! They are held in memory; when that is full, they are written in order, as a *run*, behind those that already are
//! in one file without a name. An actor's sessions end in order of time, so nothing is compared but actors: sessions of a
//! few actors are held together and counted into their places, and those of an earlier run stand before later ones.
//!
//! Example: with room for three, sessions that end in the order a1 b1 a2 | b2 a3 make the runs [a1 a2 b1] [a3 b2], and
//! a1 a2 a3 b1 b2 come out.

use super::kernel::Session;
use crate::disk;
use crate::error::{AtPath, Result};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

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
    scratch: Scratch,
    held: Vec<Few>,
    count: usize,
    file: Option<File>,
    runs: Vec<Range<u64>>,
}

/// Actors whose sessions are held together: so few that these are put in order where they are near.
const FEW_ACTORS: usize = 64;

/// Sessions of a few actors, as they came, in pieces: what grows is never moved.
#[derive(Default)]
struct Few(Vec<Vec<Session>>);

/// Sessions in a piece.
const PIECE_SESSIONS: usize = 128;

impl Few {
    fn add(&mut self, session: Session) {
        match self.0.last_mut() {
            Some(piece) if piece.len() < PIECE_SESSIONS => piece.push(session),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_SESSIONS);
                piece.push(session);
                self.0.push(piece);
            }
        }
    }

    /// By actor; those of one stay in their order.
    fn in_order(&self) -> Vec<Session> {
        let place = |session: &Session| session.actor as usize % FEW_ACTORS;
        let mut places = [0; FEW_ACTORS];
        self.0.iter().flatten().for_each(|session| places[place(session)] += 1);
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        let mut found = Vec::new();
        if let Some(any) = self.0.first().and_then(|piece| piece.first()) {
            found.resize(before, *any);
        }
        for session in self.0.iter().flatten() {
            let next = &mut places[place(session)];
            found[*next] = *session;
            *next += 1;
        }
        found
    }
}

impl Store {
    pub fn new(scratch: &Scratch) -> Store {
        Store {
            scratch: scratch.clone(),
            held: Vec::new(),
            count: 0,
            file: None,
            runs: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.written() as usize + self.count
    }

    fn written(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.end)
    }

    pub fn add(&mut self, session: Session) -> Result<()> {
        if self.count == self.room() {
            self.write_run()?;
        }
        let few = session.actor as usize / FEW_ACTORS;
        if few >= self.held.len() {
            self.held.resize_with(few + 1, Few::default);
        }
        self.held[few].add(session);
        self.count += 1;
        Ok(())
    }

    fn room(&self) -> usize {
        (self.scratch.memory_bytes / RECORD).max(1)
    }

    fn write_run(&mut self) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => disk::unnamed(&self.scratch.dir)?,
        };
        let start = self.written();
        let mut sink = BufWriter::with_capacity(1 << 20, &file);
        let mut held = self.held.drain(..).flat_map(|few| few.in_order());
        let written = held.try_for_each(|session| sink.write_all(&to_bytes(&session)));
        drop(held);
        let flushed = written.and_then(|()| sink.flush());
        flushed.at_path(&self.scratch.dir, "sessions cannot be written to a temporary file")?;
        drop(sink);
        self.runs.push(start..start + self.count as u64);
        self.count = 0;
        self.file = Some(file);
        Ok(())
    }

    pub fn finish(self) -> Stored {
        Stored {
            dir: self.scratch.dir,
            held: self.held,
            file: self.file.map(Mutex::new),
            runs: self.runs,
        }
    }
}

/// All sessions, to be read in order, as often as needed.
pub struct Stored {
    dir: PathBuf,
    held: Vec<Few>,
    file: Option<Mutex<File>>,
    runs: Vec<Range<u64>>,
}

impl Stored {
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
            unordered: &self.held,
            held: Vec::new(),
            place: 0,
        }
    }

    fn read(&self, sessions: Range<u64>) -> Result<Vec<Session>> {
        let read = |file: &Mutex<File>| -> io::Result<Vec<u8>> {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(sessions.start * RECORD as u64))?;
            let mut bytes = vec![0; (sessions.end - sessions.start) as usize * RECORD];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = self.file.as_ref().map_or(Ok(Vec::new()), read);
        let bytes = bytes.at_path(&self.dir, "sessions cannot be read back from a temporary file")?;
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
    /// Held sessions still to be put in order; those that are, and how many of them are gone.
    unordered: &'s [Few],
    held: Vec<Session>,
    place: usize,
}

impl InOrder<'_> {
    /// The next sessions of actors below `actors_end`, at most `count`; none when there are no more.
    pub fn next(&mut self, count: usize, actors_end: u32) -> Result<Vec<Session>> {
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
            self.place += take_of(&self.held[self.place..], actor, count, &mut found);
            self.fill();
        }
        Ok(found)
    }

    fn rest(&self) -> &[Session] {
        &self.held[self.place..]
    }

    /// Puts the next held ones in order when the last are gone. An actor's are together.
    fn fill(&mut self) {
        while self.rest().is_empty()
            && let Some((few, others)) = self.unordered.split_first()
        {
            (self.held, self.place, self.unordered) = (few.in_order(), 0, others);
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
        let mut store = Store::new(&Scratch {
            dir: dir.to_owned(),
            memory_bytes: held * RECORD,
        });
        for &session in sessions {
            store.add(session).expect("a disk");
        }
        assert_eq!(store.len(), sessions.len());
        store.finish()
    }

    fn all(stored: &Stored, count: usize, actors_ends: &[u32]) -> Vec<Session> {
        let mut in_order = stored.in_order();
        let mut found = Vec::new();
        for &end in actors_ends {
            loop {
                let next = in_order.next(count, end).expect("a disk");
                if next.is_empty() {
                    break;
                }
                assert!(next.len() <= count && next.iter().all(|session| session.actor < end));
                found.extend(next);
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
        assert!(stored.file.is_none() && !dir.exists());
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
        ) {
            let home = tempfile::tempdir().expect("a temporary folder");
            let sessions: Vec<Session> =
                actors.iter().enumerate().map(|(on, &actor)| session(actor, on as i64)).collect();
            let mut expected = sessions.clone();
            expected.sort_by_key(|session| session.actor);
            prop_assert_eq!(all(&stored(&sessions, held, home.path()), count, &[end, 9]), expected);
        }
    }
}
