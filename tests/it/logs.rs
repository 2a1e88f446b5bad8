//! Small logs of the tests' own making: the same events in each form, from a seeded source of chance.
//!
//! They are meant to be unkind: many events at equal times, exactly at the limits of a rule and a microsecond beside
//! them, bursts of control rows, people and objects that are null, rows without an id.

use crate::xml;
use serde_json::{Value, json};

/// SplitMix64: small, seeded, the same everywhere.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    pub fn in_hundred(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// One audit row, before it has a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: Option<String>,
    /// As [`gatelog::instant`] counts.
    pub on: i64,
    pub action: i32,
    pub object_type: Option<&'static str>,
    pub object_id: Option<String>,
    pub object_name: Option<String>,
    pub user_id: Option<String>,
    pub user_name: Option<String>,
}

/// `2026-03-01T08:00:00Z` and the like.
pub fn at(text: &str) -> i64 {
    gatelog::instant::parse(text, chrono_tz::Tz::UTC).unwrap_or_else(|| panic!("{text:?} is no time"))
}

pub fn id(letter: char, number: usize) -> String {
    let letters: String = std::iter::repeat_n(letter, 8).collect();
    format!("{letters}-0000-4000-8000-{number:012}")
}

impl Event {
    /// An access of a person, as Dataverse writes it: the person is the object, SYSTEM the user.
    pub fn access(on: i64, action: i32, person: Option<usize>) -> Event {
        Event {
            id: None,
            on,
            action,
            object_type: Some("systemuser"),
            object_id: person.map(|number| id('a', number)),
            object_name: None,
            user_id: person.map(|_| id('b', 0)),
            user_name: None,
        }
    }

    /// Any other row: `user` did something to `object`.
    pub fn other(on: i64, action: i32, user: Option<usize>, object: Option<usize>) -> Event {
        Event {
            object_type: Some("account"),
            object_id: object.map(|number| id('d', number)),
            user_id: user.map(|number| id('a', number)),
            ..Event::access(on, action, None)
        }
    }

    pub fn to_json(&self) -> Value {
        const NAME: &str = "@OData.Community.Display.V1.FormattedValue";
        let mut row = json!({"createdon": gatelog::instant::to_text(self.on), "action": self.action});
        let optional = [
            ("auditid", self.id.as_deref()),
            ("objecttypecode", self.object_type),
            ("_objectid_value", self.object_id.as_deref()),
            (&format!("_objectid_value{NAME}"), self.object_name.as_deref()),
            ("_userid_value", self.user_id.as_deref()),
            (&format!("_userid_value{NAME}"), self.user_name.as_deref()),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                row[name] = value.into();
            }
        }
        row
    }
}

/// Gives every event without an id one of its own.
pub fn with_ids(mut events: Vec<Event>) -> Vec<Event> {
    for (number, event) in events.iter_mut().enumerate() {
        event.id.get_or_insert_with(|| id('c', number));
    }
    events
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Page,
    Lines,
    Csv,
    Soap,
    Fetch,
}

impl Form {
    pub const ALL: [Form; 5] = [Form::Page, Form::Lines, Form::Csv, Form::Soap, Form::Fetch];

    /// The events as one export of this form.
    pub fn write(self, events: &[Event]) -> String {
        let rows = events.iter().map(|event| event.to_json().to_string());
        match self {
            Form::Page => format!("{{\"value\":[{}]}}\n", rows.collect::<Vec<_>>().join(",\n")),
            Form::Lines => rows.map(|row| row + "\n").collect(),
            Form::Csv => csv(events),
            Form::Soap => xml::soap(events),
            Form::Fetch => xml::fetch(events),
        }
    }
}

fn csv(events: &[Event]) -> String {
    let mut text = "auditid,createdon,action,objecttypecode,objectid,objectidname,userid,useridname\n".to_owned();
    for event in events {
        let on = gatelog::instant::to_text(event.on);
        let value = |value: &Option<String>| value.clone().unwrap_or_default();
        let name = |name: &Option<String>| name.as_ref().map_or(String::new(), |name| format!("\"{name}\""));
        let cells = [
            value(&event.id),
            on,
            event.action.to_string(),
            event.object_type.unwrap_or_default().to_owned(),
            value(&event.object_id),
            name(&event.object_name),
            value(&event.user_id),
            name(&event.user_name),
        ];
        text += &(cells.join(",") + "\n");
    }
    text
}

pub const HOUR: i64 = 3_600_000_000;

/// An unkind log that begins about `start` and in which `unit` (the audit interval, say) is the step between events.
pub fn unkind(chance: &mut Chance, start: i64, unit: i64) -> Vec<Event> {
    let mut events = Vec::new();
    let people = 1 + chance.below(3);
    for _ in 0..1 + chance.below(40) {
        let step = chance.below(13) as i64 * unit / 2;
        let beside = chance.pick(&[0, 0, 0, 0, 1, -1, 1_000_000, -1_000_000, 1_234_567]);
        let on = start + step + beside;
        match chance.below(10) {
            0..5 => {
                let person = (!chance.in_hundred(12)).then(|| chance.below(people));
                events.push(Event::access(on, chance.pick(&[64, 64, 65]), person));
            }
            5..7 => {
                let user = (!chance.in_hundred(12)).then(|| chance.below(people));
                let action = chance.pick(&[1, 2, 3, 999]);
                events.push(Event::other(on, action, user, Some(chance.below(3))));
            }
            7..9 => events.push(control(chance, on)),
            _ => (0..2 + chance.below(5)).for_each(|_| events.push(control(chance, on))),
        }
    }
    name_some(chance, &mut events);
    identify_most(chance, &mut events);
    chance.shuffle(&mut events);
    for again in 0..chance.below(6).min(events.len()) {
        events.push(events[again].clone());
    }
    events
}

fn control(chance: &mut Chance, on: i64) -> Event {
    let action = chance.pick(&[113, 112, 113, 112, 110, 107, 108, 105, 109, 106, 111, 104]);
    let object = (!chance.in_hundred(20)).then(|| chance.below(2));
    let user = (!chance.in_hundred(15)).then(|| chance.below(3));
    Event::other(on, action, user, object)
}

fn name_some(chance: &mut Chance, events: &mut [Event]) {
    for event in events {
        let name = chance.pick(&["Wren Sample", "wren sample", "Łark, \"L\" Sample"]);
        let is_named = chance.in_hundred(40);
        if event.object_type == Some("systemuser") {
            event.object_name = (is_named && event.object_id.is_some()).then(|| name.to_owned());
        } else {
            event.user_name = (is_named && event.user_id.is_some()).then(|| name.to_owned());
        }
    }
}

/// Ids in no order of time; a few rows have none.
fn identify_most(chance: &mut Chance, events: &mut [Event]) {
    let mut numbers: Vec<usize> = (0..events.len()).collect();
    chance.shuffle(&mut numbers);
    for (event, number) in events.iter_mut().zip(numbers) {
        event.id = (!chance.in_hundred(10)).then(|| id('c', number));
    }
}
