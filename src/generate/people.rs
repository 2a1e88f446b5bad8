//! The invented organisation: who exists, and when each person opens the system on a given day.
//!
//! Every name is a bird, a fruit and the surname *Sample*, so that nobody can take one for a real person; service
//! accounts are called `# … … Connector Sample`. Nothing is stored per person: traits follow from (seed, number), so an
//! organisation of ten million costs as much memory as one of five.
//!
//! Person 0 is a service account, person 1 uses both clients, person 2 the web; 1 and 2 switch auditing, and none
//! of the three ever leaves. All others draw their role: 1.5 % service accounts, 10 % mixed, 4 % never seen, the rest
//! use the web client.

use super::draw::{Draw, Guid, Purpose};

pub const HOUR_S: u32 = 3600;
pub const DAY_S: u32 = 24 * HOUR_S;
/// Dataverse logs a user again only after this time (`useraccessauditinginterval`, four hours by default).
const AUDIT_INTERVAL_S: u32 = 4 * HOUR_S;
pub const FEWEST_PEOPLE: u32 = 5;
pub const SERVICE_ACCOUNT: u32 = 0;
/// Those who may switch auditing.
pub const ADMINISTRATORS: [u32; 2] = [2, 1];

const BIRDS: [&str; 48] = [
    "Wren", "Robin", "Heron", "Lark", "Finch", "Starling", "Martin", "Avocet", "Bunting", "Curlew", "Dunlin", "Egret",
    "Fulmar", "Gannet", "Hobby", "Ibis", "Jay", "Kestrel", "Linnet", "Merlin", "Nightjar", "Osprey", "Pipit", "Quail",
    "Raven", "Siskin", "Teal", "Veery", "Whimbrel", "Dotterel", "Phoebe", "Kite", "Oriole", "Petrel", "Plover",
    "Shrike", "Swift", "Tern", "Thrush", "Towhee", "Vireo", "Wagtail", "Brant", "Knot", "Redstart", "Serin", "Sora",
    "Grebe",
];

const FRUITS: [&str; 47] = [
    "Quince",
    "Medlar",
    "Damson",
    "Açaí",
    "Bilberry",
    "Cherry",
    "Date",
    "Elder",
    "Fig",
    "Greengage",
    "Haw",
    "Ilama",
    "Jujube",
    "Kumquat",
    "Lime",
    "Mulberry",
    "Nance",
    "Olive",
    "Pear",
    "Rowan",
    "Sloe",
    "Tamarind",
    "Ugli",
    "Vanilla",
    "Whortle",
    "Yuzu",
    "Apricot",
    "Bergamot",
    "Citron",
    "Durian",
    "Guava",
    "Juniper",
    "Lychee",
    "Mango",
    "Nectarine",
    "Orange",
    "Papaya",
    "Plum",
    "Pomelo",
    "Raisin",
    "Satsuma",
    "Sapote",
    "Lúcuma",
    "Azarole",
    "Cornel",
    "Loquat",
    "Pitaya",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    Web,
    WebServices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Service,
    Mixed,
    Web,
    NeverSeen,
}

#[derive(Debug, Clone)]
struct Traits {
    role: Role,
    /// Bit 0 is Monday.
    workdays: u8,
    first_day: u32,
    last_day: u32,
    usual_start_s: u32,
    work_s: u32,
}

/// A day of the log as the calendar sees it.
#[derive(Debug, Clone, Copy)]
pub struct Workday {
    pub index: u32,
    /// 0 is Monday.
    pub weekday: u32,
    /// Nobody is expected at work: Saturday, Sunday, a public holiday.
    pub is_free: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Organisation {
    pub seed: u64,
    pub people: u32,
    pub days: u32,
}

impl Organisation {
    fn traits(&self, person: u32) -> Traits {
        let mut draw = Draw::new(self.seed, Purpose::Person, u64::from(person), 0);
        let role = match (person, draw.below(1000)) {
            (SERVICE_ACCOUNT, _) | (3.., 0..15) => Role::Service,
            (1, _) | (3.., 15..115) => Role::Mixed,
            (3.., 115..155) => Role::NeverSeen,
            _ => Role::Web,
        };
        let mut traits = Traits {
            role,
            workdays: 0b11111,
            first_day: 0,
            last_day: u32::MAX,
            usual_start_s: 7 * HOUR_S + draw.below(5400) + draw.below(5400),
            work_s: 7 * HOUR_S + 1800 + draw.below(2 * HOUR_S),
        };
        match draw.below(1000) {
            0..120 => {
                traits.workdays = [0b00111, 0b10101, 0b01011, 0b11010][draw.below(4) as usize];
                traits.work_s = 4 * HOUR_S + draw.below(HOUR_S);
            }
            // Colleagues some time zones to the west.
            120..170 => traits.usual_start_s += 5 * HOUR_S,
            _ => {}
        }
        match (person, draw.below(1000)) {
            (3.., 0..80) => traits.last_day = self.part_of_period(30 + draw.below(50)),
            (3.., 80..140) => traits.first_day = self.part_of_period(10 + draw.below(50)),
            _ => {}
        }
        traits
    }

    fn part_of_period(&self, percent: u32) -> u32 {
        (u64::from(self.days) * u64::from(percent) / 100) as u32
    }

    /// Calls `visit(second of the day, client)` for each time the audit interval would let an access be logged.
    pub fn accesses(&self, person: u32, day: Workday, mut visit: impl FnMut(u32, Client)) {
        let traits = self.traits(person);
        let mut draw = Draw::new(self.seed, Purpose::Workday, u64::from(person), u64::from(day.index));
        if traits.role == Role::Service {
            let phase_s = traits.usual_start_s % AUDIT_INTERVAL_S;
            for slot in 0..DAY_S / AUDIT_INTERVAL_S {
                let at_s = slot * AUDIT_INTERVAL_S + phase_s + draw.below(90);
                if at_s < DAY_S {
                    visit(at_s, Client::WebServices);
                }
            }
            return;
        }
        if !self.is_at_work(person, &traits, day, &mut draw) {
            return;
        }
        if day.is_free {
            visit(9 * HOUR_S + draw.below(12 * HOUR_S), Client::Web);
            return;
        }
        let arrives_s = traits.usual_start_s + draw.below(3000) - 1500;
        let leaves_s = (arrives_s + traits.work_s).min(DAY_S - 1);
        let mut at_s = arrives_s + until_the_next_click_s(&mut draw);
        while at_s <= leaves_s {
            visit_by(traits.role, at_s, &mut draw, &mut visit);
            at_s += AUDIT_INTERVAL_S + until_the_next_click_s(&mut draw);
        }
        let evening_s = 19 * HOUR_S + draw.below(4 * HOUR_S);
        if draw.chance(60) && evening_s >= at_s {
            visit(evening_s, Client::Web);
        }
    }

    fn is_at_work(&self, person: u32, traits: &Traits, day: Workday, draw: &mut Draw) -> bool {
        let employed = (traits.first_day..=traits.last_day).contains(&day.index);
        if traits.role == Role::NeverSeen || !employed {
            return false;
        }
        if day.is_free {
            return draw.chance(25);
        }
        let scheduled = traits.workdays & (1 << day.weekday) != 0;
        let ill = draw.chance(25);
        let week = u64::from(day.index / 7);
        scheduled && !ill && !Draw::new(self.seed, Purpose::Leave, u64::from(person), week).chance(80)
    }

    pub fn is_service(&self, person: u32) -> bool {
        self.traits(person).role == Role::Service
    }

    /// Whether somebody leaves before the log ends.
    pub fn has_left(&self, person: u32) -> bool {
        self.traits(person).last_day < self.days
    }

    pub fn id(&self, person: u32) -> Guid {
        Draw::new(self.seed, Purpose::PersonId, u64::from(person), 0).guid()
    }

    /// The user `SYSTEM`, in whose name Dataverse writes about a third of the access rows.
    pub fn system_id(&self) -> Guid {
        Draw::new(self.seed, Purpose::FixedId, 1, 0).guid()
    }

    pub fn organization_id(&self) -> Guid {
        Draw::new(self.seed, Purpose::FixedId, 2, 0).guid()
    }

    pub fn write_name(&self, person: u32, out: &mut Vec<u8>) {
        let fruit = FRUITS[person as usize % FRUITS.len()];
        let is_service = self.is_service(person);
        if is_service {
            out.extend_from_slice(b"# ");
        }
        out.extend_from_slice(bird(self.seed, person).as_bytes());
        out.push(b' ');
        out.extend_from_slice(fruit.as_bytes());
        out.extend_from_slice(if is_service { b" Connector Sample" } else { b" Sample" });
        // 47 and 48 have no common divisor: pairs repeat only after all of them were used, and then carry a number.
        let round = person as usize / (BIRDS.len() * FRUITS.len());
        if round > 0 {
            out.push(b' ');
            super::bytes::push_number(out, round as u64 + 1);
        }
    }
}

fn bird(seed: u64, person: u32) -> &'static str {
    let shift = seed % BIRDS.len() as u64;
    BIRDS[(shift as usize + person as usize) % BIRDS.len()]
}

/// The name of an invented customer or contact; not one of the organisation's people.
pub fn write_outsider(draw: &mut Draw, out: &mut Vec<u8>) {
    out.extend_from_slice(draw.pick(&BIRDS, "Wren").as_bytes());
    out.push(b' ');
    out.extend_from_slice(draw.pick(&FRUITS, "Quince").as_bytes());
}

/// Mostly minutes, now and then a meeting or a drive to a customer.
fn until_the_next_click_s(draw: &mut Draw) -> u32 {
    if draw.chance(750) {
        draw.below(1800)
    } else {
        draw.below(4 * HOUR_S)
    }
}

fn visit_by(role: Role, at_s: u32, draw: &mut Draw, visit: &mut impl FnMut(u32, Client)) {
    if role != Role::Mixed {
        return visit(at_s, Client::Web);
    }
    match draw.below(100) {
        0..50 => visit(at_s, Client::Web),
        50..82 => visit(at_s, Client::WebServices),
        // Two clients open at once: two rows, at most minutes apart.
        _ => {
            visit(at_s, Client::Web);
            visit((at_s + draw.below(300)).min(DAY_S - 1), Client::WebServices);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANISATION: Organisation = Organisation {
        seed: 7,
        people: 2000,
        days: 100,
    };

    fn rows_of(day: Workday) -> Vec<(u32, u32, Client)> {
        let mut rows = Vec::new();
        for person in 0..ORGANISATION.people {
            ORGANISATION.accesses(person, day, |at_s, client| rows.push((person, at_s, client)));
        }
        rows
    }

    #[test]
    fn a_workday_gives_about_two_rows_a_person_and_a_sunday_next_to_none() {
        let tuesday = Workday {
            index: 1,
            weekday: 1,
            is_free: false,
        };
        let sunday = Workday {
            index: 6,
            weekday: 6,
            is_free: true,
        };
        let rows = rows_of(tuesday);
        let people = ORGANISATION.people as usize;
        assert!(
            rows.len() > people * 3 / 2 && rows.len() < people * 5 / 2,
            "{}",
            rows.len()
        );
        assert!(rows.iter().all(|(_, at_s, _)| *at_s < DAY_S));
        assert!(rows_of(sunday).len() < people / 4);
    }

    #[test]
    fn the_first_three_people_have_their_fixed_roles() {
        let roles: Vec<Role> = (0..3).map(|person| ORGANISATION.traits(person).role).collect();
        assert_eq!(roles, [Role::Service, Role::Mixed, Role::Web]);
    }

    #[test]
    fn names_are_distinct_and_marked_as_invented() {
        let names: std::collections::BTreeSet<String> = (0..5000)
            .map(|person| {
                let mut name = Vec::new();
                ORGANISATION.write_name(person, &mut name);
                String::from_utf8(name).expect("names are UTF-8")
            })
            .collect();
        assert!(names.iter().all(|name| name.contains(" Sample")));
        assert_eq!(names.len(), 5000);
    }
}
