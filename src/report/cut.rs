//! Sessions cut from sightings that stand by actor, column by column.
//!
//! Every second access begins a session, and no processor guesses which. So where only accesses were seen, as usual, the
//! rows where sessions begin are noted without a branch: all else that is said of a session follows from where it and the
//! next one begin. Where changes were seen too, or not all sessions are asked for, they are [cut](kernel::cut) one by one.

use super::kernel::{self, Session};
use super::packed::Packed;
use super::store::InOrder;

/// Sessions, column by column.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    pub actor: Vec<u32>,
    pub started_on: Vec<i64>,
    pub last_seen_on: Vec<i64>,
    pub started_date: Vec<i32>,
    pub web: Vec<i64>,
    pub web_services: Vec<i64>,
    pub changes: Vec<i64>,
    starts_with_change: Vec<bool>,
    ends_with_change: Vec<bool>,
}

/// Cuts sessions; its memory is used again and again.
#[derive(Default)]
pub struct Cutter {
    sessions: Sessions,
    begins: Vec<Begin>,
}

/// Where a session begins, and how many rows before are of the web.
#[derive(Debug, Clone, Copy, Default)]
struct Begin {
    row: u32,
    web_before: u32,
}

impl Cutter {
    /// Gives the sessions that are asked for, so many at a time, in order.
    pub fn cut(
        &mut self,
        sightings: &InOrder<'_>,
        gap_us: i64,
        asks: Option<&dyn Fn(&Session) -> bool>,
        at_once: usize,
        mut give: impl FnMut(&Sessions),
    ) {
        let sessions = &mut self.sessions;
        if asks.is_none() && Packed::are_plain(sightings.sightings) {
            let begins = find_begins(sightings.sightings, gap_us, &mut self.begins);
            let mut from = 0;
            while from + 1 < begins.len() {
                let to = begins.len().min(from + at_once + 1);
                sessions.clear();
                sessions.fill(sightings, &begins[from..to]);
                give(sessions);
                from = to - 1;
            }
            return;
        }
        sessions.clear();
        let asked = |session: &Session| asks.is_none_or(|asks| asks(session));
        for session in kernel::cut(sightings.unpacked(), gap_us).filter(asked) {
            sessions.push(&session);
            if sessions.len() == at_once {
                give(sessions);
                sessions.clear();
            }
        }
        if sessions.len() > 0 {
            give(sessions);
        }
    }
}

/// Where sessions begin, and where one would behind the last row.
fn find_begins<'r>(sightings: &[Packed], gap_us: i64, room: &'r mut Vec<Begin>) -> &'r [Begin] {
    room.resize(room.len().max(sightings.len() + 1), Begin::default());
    let begins = &mut room[..sightings.len() + 1];
    let (mut count, mut web_before) = (0, 0);
    let mut last = sightings.first().copied().unwrap_or_default();
    for (row, &sighting) in sightings.iter().enumerate() {
        // Noted for each row, and kept where one begins.
        begins[count] = Begin {
            row: row as u32,
            web_before,
        };
        let begins_one = (sighting.place() != last.place()) | (sighting.on() - last.on() > gap_us) | (row == 0);
        count += usize::from(begins_one);
        web_before += u32::from(sighting.is_by_web());
        last = sighting;
    }
    begins[count] = Begin {
        row: sightings.len() as u32,
        web_before,
    };
    &begins[..count + 1]
}

impl Sessions {
    pub fn len(&self) -> usize {
        self.actor.len()
    }

    pub fn at(&self, row: usize) -> Session {
        Session {
            actor: self.actor[row],
            started_date: self.started_date[row],
            started_on: self.started_on[row],
            last_seen_on: self.last_seen_on[row],
            web: self.web[row] as u32,
            web_services: self.web_services[row] as u32,
            changes: self.changes[row] as u32,
            starts_with_change: self.starts_with_change[row],
            ends_with_change: self.ends_with_change[row],
        }
    }

    pub fn push(&mut self, session: &Session) {
        self.actor.push(session.actor);
        self.started_on.push(session.started_on);
        self.last_seen_on.push(session.last_seen_on);
        self.started_date.push(session.started_date);
        self.web.push(session.web.into());
        self.web_services.push(session.web_services.into());
        self.changes.push(session.changes.into());
        self.starts_with_change.push(session.starts_with_change);
        self.ends_with_change.push(session.ends_with_change);
    }

    fn clear(&mut self) {
        self.actor.clear();
        self.started_on.clear();
        self.last_seen_on.clear();
        self.started_date.clear();
        self.web.clear();
        self.web_services.clear();
        self.changes.clear();
        self.starts_with_change.clear();
        self.ends_with_change.clear();
    }

    /// Adds sessions of accesses alone: from where each begins up to where the next one does.
    fn fill(&mut self, of: &InOrder<'_>, begins: &[Begin]) {
        let count = begins.len() - 1;
        let firsts = || begins[..count].iter().map(|begin| of.sightings[begin.row as usize]);
        let lasts = begins[1..].iter().map(|next| of.sightings[next.row as usize - 1]);
        let spans = || begins.iter().zip(&begins[1..]);
        let web = |(begin, next): (&Begin, &Begin)| i64::from(next.web_before - begin.web_before);
        let rows = |(begin, next): (&Begin, &Begin)| i64::from(next.row - begin.row);
        self.actor
            .extend(firsts().map(|first| of.first_actor + first.place() as u32));
        self.started_on.extend(firsts().map(Packed::on));
        self.started_date.extend(firsts().map(Packed::date));
        self.last_seen_on.extend(lasts.map(Packed::on));
        self.web.extend(spans().map(web));
        self.web_services.extend(spans().map(|span| rows(span) - web(span)));
        self.changes.resize(count, 0);
        self.starts_with_change.resize(count, false);
        self.ends_with_change.resize(count, false);
    }
}

impl FromIterator<Session> for Sessions {
    fn from_iter<I: IntoIterator<Item = Session>>(sessions: I) -> Sessions {
        let mut columns = Sessions::default();
        sessions.into_iter().for_each(|session| columns.push(&session));
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::Sighting;
    use super::super::store::{Scratch, Share, Store, Stored};
    use super::*;
    use crate::lake::{By, Sightings};
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use std::path::Path;

    /// Sightings as the store gives them, in several shares.
    fn stored(rows: &[(i64, u32, By)]) -> (Stored, Vec<Share>) {
        let mut stores = Store::several(&Scratch::new(Path::new("unused")), 1, Tz::UTC);
        let (on, (actor, by)): (Vec<i64>, (Vec<u32>, Vec<By>)) =
            rows.iter().map(|&(on, actor, by)| (on, (actor, by))).unzip();
        stores[0].begin_environment(70);
        let sightings = Sightings {
            created_on: &on,
            actor: &actor,
            by: &by,
        };
        stores[0].take(sightings).expect("memory");
        let stored = Stored::of(stores);
        let shares = stored.stretches(1 << 20).concat();
        (stored, shares)
    }

    fn by(place: usize) -> By {
        [By::Web, By::WebServices, By::Change][place]
    }

    proptest! {
        /// Whatever way is taken, and however many are given at a time.
        #[test]
        fn sessions_by_column_are_those_cut_one_by_one(
            mut rows in prop::collection::vec((-100i64..100, 0u32..4, 0usize..3), 0..200),
            day_us in prop::sample::select(vec![1, 86_400_000_000, 1 << 50]),
            gap in 0i64..30, kinds in 1usize..4, at_once in 1usize..50, from in prop::option::of(-100i64..100),
        ) {
            rows.sort_unstable();
            let actor = |actor: u32| [0, 1, 63, 64][actor as usize];
            let row = |&(on, place, kind): &(i64, u32, usize)| (on * day_us, actor(place), by(kind % kinds));
            let rows: Vec<(i64, u32, By)> = rows.iter().map(row).collect();
            let asked = |session: &Session| from.is_none_or(|from| from * day_us <= session.started_on);
            let asks = from.is_some().then_some(&asked as &dyn Fn(&Session) -> bool);
            let (stored, shares) = stored(&rows);
            let (mut found, mut cutter, mut room) = (Vec::new(), Cutter::default(), Default::default());
            for share in &shares {
                let sightings = stored.in_order(share, &mut room).expect("memory");
                cutter.cut(&sightings, gap * day_us, asks, at_once, |sessions| {
                    assert!((1..=at_once).contains(&sessions.len()));
                    found.extend((0..sessions.len()).map(|row| sessions.at(row)));
                });
            }
            let mut by_actor: Vec<Sighting> = rows.iter().map(|&(on, actor, by)| Sighting {
                actor, on, by, date: on.div_euclid(86_400_000_000) as i32,
            }).collect();
            by_actor.sort_by_key(|sighting| sighting.actor);
            let expected: Vec<Session> = kernel::cut(by_actor.into_iter(), gap * day_us).filter(asked).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
