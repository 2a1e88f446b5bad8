//! The invented tables whose records are changed, and how a change reads in `changedata`.
//!
//! Two of the tables are custom ones with the publisher prefix `sim_`. Texts carry the characters that break naive
//! readers: quotes, line breaks, accents, other scripts. They stand here as they stand inside a JSON string.

use super::bytes::{push_guid, push_number};
use super::draw::{Draw, Purpose};
use super::people::{Organisation, write_outsider};

#[derive(Debug, Clone, Copy)]
enum Content {
    Name,
    Words,
    Memo,
    Choice,
    Money,
    Date,
    Flag,
    User,
    /// A record of the table with this number.
    Record(u8),
}

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    /// The ColumnNumber that `attributemask` lists.
    pub number: u16,
    content: Content,
}

#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub label: &'static str,
    /// The ObjectTypeCode of on-premises databases. Custom tables get theirs from 10,000 up, each organisation its own.
    pub code: u16,
    pub columns: &'static [Column],
}

const fn column(name: &'static str, number: u16, content: Content) -> Column {
    Column { name, number, content }
}

pub const ACCOUNT: u8 = 0;
const CONTACT: u8 = 1;
pub const OPPORTUNITY: u8 = 2;
pub const INCIDENT: u8 = 3;

pub static TABLES: [Table; 7] = [
    Table {
        name: "account",
        label: "Account",
        code: 1,
        columns: &[
            column("name", 2, Content::Name),
            column("accountnumber", 4, Content::Words),
            column("industrycode", 7, Content::Choice),
            column("telephone1", 10, Content::Words),
            column("websiteurl", 13, Content::Words),
            column("address1_line1", 21, Content::Words),
            column("address1_city", 24, Content::Words),
            column("creditlimit", 30, Content::Money),
            column("creditonhold", 31, Content::Flag),
            column("description", 37, Content::Memo),
            column("ownerid", 42, Content::User),
            column("primarycontactid", 45, Content::Record(CONTACT)),
            column("paymenttermscode", 47, Content::Choice),
            column("ms_lifestyleoptionset", 10_021, Content::Choice),
        ],
    },
    Table {
        name: "contact",
        label: "Contact",
        code: 2,
        columns: &[
            column("firstname", 3, Content::Words),
            column("lastname", 5, Content::Name),
            column("jobtitle", 9, Content::Words),
            column("emailaddress1", 12, Content::Words),
            column("telephone1", 14, Content::Words),
            column("mobilephone", 15, Content::Words),
            column("birthdate", 19, Content::Date),
            column("donotemail", 22, Content::Flag),
            column("parentcustomerid", 29, Content::Record(ACCOUNT)),
            column("description", 33, Content::Memo),
            column("ownerid", 36, Content::User),
            column("preferredcontactmethodcode", 41, Content::Choice),
        ],
    },
    Table {
        name: "opportunity",
        label: "Opportunity",
        code: 3,
        columns: &[
            column("name", 2, Content::Name),
            column("estimatedvalue", 5, Content::Money),
            column("estimatedclosedate", 6, Content::Date),
            column("closeprobability", 8, Content::Choice),
            column("salesstagecode", 11, Content::Choice),
            column("parentaccountid", 17, Content::Record(ACCOUNT)),
            column("parentcontactid", 18, Content::Record(CONTACT)),
            column("currentsituation", 23, Content::Memo),
            column("customerneed", 24, Content::Memo),
            column("proposedsolution", 25, Content::Memo),
            column("actualvalue", 28, Content::Money),
            column("ownerid", 32, Content::User),
            column("statuscode", 35, Content::Choice),
        ],
    },
    Table {
        name: "incident",
        label: "Case",
        code: 112,
        columns: &[
            column("title", 2, Content::Name),
            column("prioritycode", 6, Content::Choice),
            column("caseorigincode", 7, Content::Choice),
            column("customerid", 11, Content::Record(ACCOUNT)),
            column("description", 14, Content::Memo),
            column("followupby", 19, Content::Date),
            column("isescalated", 22, Content::Flag),
            column("ownerid", 26, Content::User),
            column("statuscode", 31, Content::Choice),
            column("firstresponsesent", 38, Content::Flag),
        ],
    },
    Table {
        name: "task",
        label: "Task",
        code: 4212,
        columns: &[
            column("subject", 3, Content::Name),
            column("description", 5, Content::Memo),
            column("scheduledend", 9, Content::Date),
            column("prioritycode", 13, Content::Choice),
            column("regardingobjectid", 16, Content::Record(OPPORTUNITY)),
            column("ownerid", 20, Content::User),
            column("statecode", 24, Content::Choice),
        ],
    },
    Table {
        name: "sim_shipment",
        label: "Shipment",
        code: 10_012,
        columns: &[
            column("sim_name", 10_001, Content::Name),
            column("sim_accountid", 10_004, Content::Record(ACCOUNT)),
            column("sim_crates", 10_006, Content::Choice),
            column("sim_shippedon", 10_007, Content::Date),
            column("sim_freight", 10_009, Content::Money),
            column("sim_isrefrigerated", 10_011, Content::Flag),
            column("sim_remarks", 10_014, Content::Memo),
            column("ownerid", 10_017, Content::User),
            column("statuscode", 10_020, Content::Choice),
        ],
    },
    Table {
        name: "sim_inspection",
        label: "Inspection",
        code: 10_013,
        columns: &[
            column("sim_name", 10_001, Content::Name),
            column("sim_shipmentid", 10_003, Content::Record(5)),
            column("sim_grade", 10_005, Content::Choice),
            column("sim_inspectedon", 10_006, Content::Date),
            column("sim_inspectorid", 10_008, Content::User),
            column("sim_finding", 10_012, Content::Memo),
            column("sim_passed", 10_013, Content::Flag),
        ],
    },
];

const WORDS: [&str; 12] = [
    "+44 20 7946 0018",
    "quince@contoso-sim.example",
    "12 Orchard Row",
    "São Miguel",
    "Prüfung, Stufe 2",
    "A-10442",
    "Zoë's \\\"north\\\" depot",
    "Åkerby",
    "https://contoso-sim.example/fruit?kind=pear&grade=1",
    "東京支店",
    "Buyer",
    "n/a",
];

const SENTENCES: [&str; 12] = [
    "Asked for a new offer before the end of the quarter.",
    "Called back, wants \\\"the blue crates\\\" again.\\n",
    "Kühlkette war zwei Stunden unterbrochen; Ware geprüft.",
    "Delivery moved to Thursday; the gate closes at 17:30.",
    "See \\\\\\\\contoso-sim\\\\share\\\\2026\\\\offers for the signed copy.",
    "Le client préfère être joint par courriel.\\n\\n",
    "Price list B applies, less 3 % for payment within ten days.",
    "お客様は来週ご返答くださる予定です。",
    "Two of forty crates bruised, photos attached 🍐.",
    "No reply since the last message.",
    "The invoice went to the old address:\\n\\t12 Orchard Row\\n\\tAlderton",
    "Agreed on the phone, written confirmation to follow.",
];

/// The id of a record that changes are made on.
pub fn record_id(seed: u64, table: u8, record: u32) -> super::draw::Guid {
    Draw::new(seed, Purpose::RecordId, u64::from(table), u64::from(record)).guid()
}

pub fn write_record_name(seed: u64, table: u8, record: u32, out: &mut Vec<u8>) {
    let mut draw = Draw::new(seed, Purpose::RecordId, u64::from(table), u64::from(record));
    draw.next();
    write_outsider(&mut draw, out);
    match table {
        ACCOUNT => out.extend_from_slice(" & Söhne (Contoso Sim)".as_bytes()),
        CONTACT => out.extend_from_slice(b" Sample"),
        _ => {
            out.push(b' ');
            push_number(out, u64::from(record) + 1);
        }
    }
}

/// Writes a column's value as a JSON string, quotes included: in `changedata` every value is one.
pub fn write_value(column: &Column, organisation: &Organisation, records: u32, draw: &mut Draw, out: &mut Vec<u8>) {
    out.push(b'"');
    match column.content {
        Content::Name => write_outsider(draw, out),
        Content::Words => out.extend_from_slice(draw.pick(&WORDS, "").as_bytes()),
        Content::Memo => {
            for sentence in 0..1 + draw.below(7) {
                if sentence > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(draw.pick(&SENTENCES, "").as_bytes());
            }
        }
        Content::Choice => push_number(out, u64::from(717_660_000 + draw.below(9))),
        Content::Money => {
            push_number(out, u64::from(draw.below(250_000)));
            out.extend_from_slice(b".5000");
        }
        Content::Date => {
            out.extend_from_slice(b"2026-0");
            push_number(out, u64::from(1 + draw.below(9)));
            out.extend_from_slice(b"-1");
            push_number(out, u64::from(draw.below(10)));
            out.extend_from_slice(b"T00:00:00Z");
        }
        Content::Flag => out.extend_from_slice(if draw.chance(500) { b"True" } else { b"False" }),
        Content::User => {
            out.extend_from_slice(b"systemuser,");
            push_guid(out, &organisation.id(draw.below(organisation.people)));
        }
        Content::Record(table) => {
            out.extend_from_slice(TABLES[usize::from(table)].name.as_bytes());
            out.push(b',');
            push_guid(out, &record_id(organisation.seed, table, draw.below(records)));
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_json_string() {
        let organisation = Organisation {
            seed: 1,
            people: 9,
            days: 9,
        };
        let mut draw = Draw::new(1, Purpose::Row, 0, 0);
        for column in TABLES.iter().flat_map(|table| table.columns) {
            for _ in 0..50 {
                let mut value = Vec::new();
                write_value(column, &organisation, 100, &mut draw, &mut value);
                serde_json::from_slice::<String>(&value).expect("a JSON string");
            }
        }
    }
}
