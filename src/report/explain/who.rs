//! Who is meant: by id, or by name where that is one person in one environment.

use super::super::facts::Facts;
use super::super::users::kind;
use super::say::Clock;
use crate::error::{Error, Result};
use crate::instant::to_text;
use crate::lake::Lake;
use crate::lake::names::Names;
use crate::lake::side::{Side, User};
use crate::record::NAME_ONLY;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many who are nearly meant are told of.
const NEAREST: usize = 3;

/// How alike a name or an id must be to be told of.
const ALIKE: f64 = 0.7;

/// A person, and where that is known from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Who {
    pub actor_id: String,
    pub actor_name: Option<String>,
    pub kind: &'static str,
    /// Every name the id was seen with, and when last; the newest first.
    pub names: Vec<Name>,
    pub because: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Name {
    pub name: String,
    pub seen_on: String,
}

/// Everybody of some environments: (environment, id) → all names.
pub type Everybody = BTreeMap<(String, String), BTreeSet<String>>;

pub fn everybody(lake: &Lake, names: &Names, side: &Side, environments: &[String]) -> Result<Everybody> {
    let mut all = Everybody::new();
    for environment in environments {
        for id in lake.actors(environment)? {
            all.entry((environment.clone(), id)).or_default();
        }
    }
    for (key, user) in &side.users {
        if environments.contains(&key.0) {
            all.entry(key.clone()).or_default().extend(user.full_name.clone());
        }
    }
    for (environment, id, name, _) in names.iter() {
        if let Some(known) = all.get_mut(&(environment.to_owned(), id.to_owned())) {
            known.insert(name.to_owned());
        }
    }
    Ok(all)
}

/// The environment and id of the one who is meant.
pub fn find(all: &Everybody, asked: &str) -> Result<(String, String)> {
    let id = asked.trim().trim_matches(['{', '}']).to_lowercase();
    let is_called = |name: &str| name.trim().to_lowercase() == id;
    let by_id: Vec<_> = all.iter().filter(|((_, of), _)| of.to_lowercase() == id).collect();
    let by_name = all.iter().filter(|(_, names)| names.iter().any(|name| is_called(name)));
    let found = if by_id.is_empty() { by_name.collect() } else { by_id };
    match found.as_slice() {
        [((environment, id), _)] => Ok((environment.clone(), id.clone())),
        [] => Err(unknown(all, asked, &id)),
        several => {
            let are: Vec<String> = several.iter().map(|(key, names)| introduced(key, names)).collect();
            Err(
                Error::usage(format!("{asked:?} is {} actors: {}", are.len(), are.join("; ")))
                    .hint("name one by id, or choose with --environment"),
            )
        }
    }
}

fn introduced((environment, id): &(String, String), names: &BTreeSet<String>) -> String {
    match names.is_empty() {
        true => format!("{id} in {environment}"),
        false => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{id} ({}) in {environment}", names.join(", "))
        }
    }
}

/// Nobody is meant: who might be.
fn unknown(all: &Everybody, asked: &str, id: &str) -> Error {
    let alike = |text: &str| {
        let text = text.to_lowercase();
        match text.contains(id) && !id.is_empty() {
            true => 1.0,
            false => strsim::normalized_damerau_levenshtein(&text, id),
        }
    };
    let mut near: Vec<(f64, String)> = all
        .iter()
        .map(|(key, names)| {
            let texts = names.iter().chain([&key.1]);
            (
                texts.map(|text| alike(text)).fold(0.0, f64::max),
                introduced(key, names),
            )
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    near.truncate(NEAREST);
    let hint = match near.is_empty() {
        true => "the report users and its file dim_user list everybody".to_owned(),
        false => {
            let near: Vec<String> = near.into_iter().map(|(_, who)| who).collect();
            format!("did you mean {}?", near.join(", or "))
        }
    };
    Error::usage(format!("nobody in the lake is {asked:?}")).hint(hint)
}

impl Who {
    pub fn of(facts: &Facts, id: &str, names: &Names, side: &Side, clock: Clock) -> Who {
        let key = (facts.environment.clone(), id.to_owned());
        let user = side.users.get(&key);
        let of_id = names.iter().filter(|entry| (entry.0, entry.1) == (&*key.0, &*key.1));
        let mut seen: Vec<(i64, &str)> = of_id.map(|(_, _, name, seen_on)| (seen_on, name)).collect();
        seen.sort_by(|a, b| b.cmp(a));
        let name = facts.name_of(id);
        Who {
            actor_id: id.to_owned(),
            actor_name: name.map(str::to_owned),
            kind: kind(user.map(User::account)),
            because: vec![why_name(id, name, user, &seen, clock), why_kind(user, clock)],
            names: seen
                .into_iter()
                .map(|(seen_on, name)| Name {
                    name: name.to_owned(),
                    seen_on: to_text(seen_on),
                })
                .collect(),
        }
    }
}

fn why_name(id: &str, name: Option<&str>, user: Option<&User>, seen: &[(i64, &str)], clock: Clock) -> String {
    let Some(name) = name else {
        return "No export names this id.".to_owned();
    };
    let of_user = user.filter(|user| user.full_name.as_deref() == Some(name));
    let last = seen.iter().find(|entry| entry.1 == name);
    let from = match (of_user, last) {
        (Some(user), _) => format!("the systemuser export of {}", clock.at(user.exported_on)),
        (None, Some((on, _))) => format!("rows of the log, last on {}", clock.at(*on)),
        (None, None) => "the log".to_owned(),
    };
    let others = seen.iter().filter(|entry| entry.1 != name).count();
    let before = match others {
        0 => String::new(),
        count => format!("; it is the newest of {} names", count + 1),
    };
    let by_name = match id.starts_with(NAME_ONLY) {
        true => " The export had no ids: two people of this name are one here.",
        false => "",
    };
    format!("The name is from {from}{before}.{by_name}")
}

fn why_kind(user: Option<&User>, clock: Clock) -> String {
    let Some(user) = user else {
        return "The kind is unknown: no systemuser export has this id.".to_owned();
    };
    let flag = |value: Option<bool>, yes: &str, no: &str, unknown: &str| match value {
        Some(true) => yes.to_owned(),
        Some(false) => no.to_owned(),
        None => unknown.to_owned(),
    };
    let mut says = vec![flag(
        user.is_disabled,
        "disabled",
        "not disabled",
        "nothing about being disabled",
    )];
    if user.deleted_in_source {
        says.push("deleted".to_owned());
    }
    says.push(
        user.application_id
            .as_ref()
            .map_or("no application id".to_owned(), |id| format!("application id {id}")),
    );
    says.push(
        user.access_mode
            .map_or("no access mode".to_owned(), |mode| format!("access mode {mode}")),
    );
    format!(
        "The kind is from the systemuser export of {}: {}.",
        clock.at(user.exported_on),
        says.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Everybody {
        let one = |environment: &str, id: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            ((environment.to_owned(), id.to_owned()), names)
        };
        Everybody::from([
            one("contoso", "aa01", &["Wren Sample", "Wren Before"]),
            one("contoso", "aa02", &["Robin Sample"]),
            one("contoso", "aa03", &["robin sample"]),
            one("fabrikam", "aa01", &["Lark Sample"]),
            one("fabrikam", "aa04", &[]),
            one("fabrikam", "name:Finch Sample", &["Finch Sample"]),
        ])
    }

    fn found(asked: &str) -> std::result::Result<String, (String, String)> {
        match find(&all(), asked) {
            Ok((environment, id)) => Ok(format!("{environment} {id}")),
            Err(error) => Err((error.fact, error.hint.unwrap_or_default())),
        }
    }

    #[test]
    fn somebody_is_found_by_id_or_by_any_name_in_any_spelling() {
        assert_eq!(found("aa04").as_deref(), Ok("fabrikam aa04"));
        assert_eq!(found("{AA04}").as_deref(), Ok("fabrikam aa04"));
        assert_eq!(found(" wren sample ").as_deref(), Ok("contoso aa01"));
        assert_eq!(found("Wren Before").as_deref(), Ok("contoso aa01"));
        assert_eq!(found("name:Finch Sample").as_deref(), Ok("fabrikam name:Finch Sample"));
    }

    #[test]
    fn an_id_in_two_environments_and_a_name_of_two_ids_are_two_actors() {
        let (fact, hint) = found("aa01").expect_err("two");
        assert_eq!(
            fact,
            "\"aa01\" is 2 actors: aa01 (Wren Before, Wren Sample) in contoso; aa01 (Lark Sample) in fabrikam"
        );
        assert!(hint.contains("--environment"));
        assert!(
            found("Robin Sample")
                .expect_err("two")
                .0
                .contains("aa03 (robin sample) in contoso")
        );
    }

    #[test]
    fn who_is_nobody_is_told_who_is_alike() {
        let (fact, hint) = found("Wrn Sampel").expect_err("nobody");
        assert_eq!(fact, "nobody in the lake is \"Wrn Sampel\"");
        assert!(
            hint.starts_with("did you mean aa01 (Wren Before, Wren Sample) in contoso"),
            "{hint}"
        );
        assert!(
            found("lark")
                .expect_err("nobody")
                .1
                .contains("aa01 (Lark Sample) in fabrikam?")
        );
        assert!(!found("zzzzzzzzzz").expect_err("nobody").1.contains("did you mean"));
    }
}
