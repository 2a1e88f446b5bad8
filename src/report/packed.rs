//! Sightings held in little memory: eight bytes each, since what is touched for the first time costs more than anything
//! that is done with it.
//!
//! ```text
//! instant 54 │ date 2 │ by 2 │ place of the actor 6
//! ```
//!
//! The date is told by its distance from that in UTC, a day at most. A sighting whose instant does not fit, before 1684
//! or after 2255, stands in a list; its place there is where the instant would be, and who it was seen by where the date.

use super::kernel::Sighting;
use crate::instant::MICROS_PER_SECOND;
use crate::lake::By;

/// Bytes of a sighting in memory.
pub const HELD_BYTES: usize = size_of::<Packed>();

/// At most so many actors are held together: so few that their sightings are put in order where they are near.
pub const FEW_ACTORS: usize = 64;

const DAY_US: i64 = 86_400 * MICROS_PER_SECOND;

const ON_BITS: u32 = 54;
const DATE_AT: u32 = ON_BITS;
const BY_AT: u32 = DATE_AT + 2;
const PLACE_AT: u32 = BY_AT + 2;

/// By what a sighting was that is in the list.
const LISTED: u64 = 3;

const BY: [By; 3] = [By::Web, By::WebServices, By::Change];

/// A sighting, for who knows of which few actors it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed(u64);

/// An instant that does not fit, and its date.
pub type Far = (i64, i32);

/// What sightings of one date have in common, if their instants fit.
#[derive(Clone, Copy)]
pub struct Head(u64);

impl Head {
    /// Of instants in order, all of one date here and of one in UTC.
    pub fn of(created_on: &[i64], date: i32) -> Option<Head> {
        let (first, last) = (*created_on.first()?, *created_on.last()?);
        let fits = |on: i64| on << (64 - ON_BITS) >> (64 - ON_BITS) == on;
        let beside = i64::from(date) - first.div_euclid(DAY_US) + 1;
        (fits(first) && fits(last) && (0..4).contains(&beside)).then_some(Head((beside as u64) << DATE_AT))
    }
}

fn place_of(actor: u32) -> u64 {
    u64::from(actor) % FEW_ACTORS as u64
}

impl Packed {
    pub fn new(head: Head, on: i64, actor: u32, by: By) -> Packed {
        let on = on as u64 & ((1 << ON_BITS) - 1);
        Packed(head.0 | on | (by as u64) << BY_AT | place_of(actor) << PLACE_AT)
    }

    /// One that is in the list, at a place.
    pub fn listed(place: usize, actor: u32, by: By) -> Packed {
        Packed(place as u64 | (by as u64) << DATE_AT | LISTED << BY_AT | place_of(actor) << PLACE_AT)
    }

    /// That of the actor.
    pub fn place(self) -> usize {
        (self.0 >> PLACE_AT) as usize
    }

    /// The same where so many lists stand before its own.
    pub fn behind(self, listed: usize) -> Packed {
        Packed(self.0 + if self.is_listed() { listed as u64 } else { 0 })
    }

    fn is_listed(self) -> bool {
        self.by() == LISTED
    }

    fn by(self) -> u64 {
        self.0 >> BY_AT & 3
    }

    /// Whether all are accesses, and none is in the list.
    pub fn are_plain(sightings: &[Packed]) -> bool {
        // Looks at all of them: so several are looked at at once.
        let any = sightings.iter().fold(0, |any, sighting| any | sighting.by());
        any <= By::WebServices as u64
    }

    /// What is said of a sighting that is plain: see [`Packed::are_plain`].
    pub fn on(self) -> i64 {
        (self.0 << (64 - ON_BITS)) as i64 >> (64 - ON_BITS)
    }

    /// The same.
    pub fn date(self) -> i32 {
        let beside = (self.0 >> DATE_AT & 3) as i64;
        (self.on().div_euclid(DAY_US) + beside - 1) as i32
    }

    /// The same.
    pub fn is_by_web(self) -> bool {
        self.by() == By::Web as u64
    }

    /// The sighting, of the actors from `first` on.
    pub fn unpack(self, first: u32, far: &[Far]) -> Sighting {
        let ((on, date), by) = match self.by() {
            LISTED => (far[self.on() as usize], self.0 >> DATE_AT & 3),
            by => ((self.on(), self.date()), by),
        };
        Sighting {
            actor: first + self.place() as u32,
            on,
            date,
            by: BY[by as usize],
        }
    }

    pub fn to_bytes(self) -> [u8; HELD_BYTES] {
        self.0.to_le_bytes()
    }

    pub fn from_bytes(bytes: [u8; HELD_BYTES]) -> Packed {
        Packed(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sighting_comes_back(
            on in prop_oneof![Just(-1), Just(0), Just(1_767_225_600_123_456), -(1i64 << 53)..1 << 53],
            actor in 0u32..128, beside in -1i64..2, by in 0usize..3,
        ) {
            let (date, by) = ((on.div_euclid(DAY_US) + beside) as i32, BY[by]);
            let packed = Packed::new(Head::of(&[on], date).unwrap(), on, actor, by);
            let first = actor / 64 * 64;
            prop_assert_eq!(packed.unpack(first, &[]), Sighting { actor, on, date, by });
            prop_assert_eq!((packed.on(), packed.date(), packed.is_by_web()), (on, date, by == By::Web));
            prop_assert_eq!(Packed::are_plain(&[packed]), by != By::Change);
            prop_assert_eq!((Packed::from_bytes(packed.to_bytes()), packed.behind(7)), (packed, packed));
            let listed = Packed::listed(1, actor, by);
            prop_assert_eq!(listed.behind(1).unpack(first, &[(0, 0), (1, 1), (on, date)]), Sighting { actor, on, date, by });
            prop_assert!(!Packed::are_plain(&[listed]));
        }
    }

    #[test]
    fn the_bounds_of_what_fits_are_those_that_are_said() {
        let year = |on: i64| {
            chrono::DateTime::from_timestamp_micros(on)
                .expect("an instant")
                .to_rfc3339()
        };
        let last = (1 << (ON_BITS - 1)) - 1;
        assert!(year(-last - 1).starts_with("1684-"), "{}", year(-last - 1));
        assert!(year(last).starts_with("2255-"), "{}", year(last));
        for (on, fits) in [(last, true), (last + 1, false), (-last - 1, true), (-last - 2, false)] {
            assert_eq!(Head::of(&[on], on.div_euclid(DAY_US) as i32).is_some(), fits, "{on}");
        }
    }
}
