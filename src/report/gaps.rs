//! Auditing gaps: when nothing was logged because auditing was off, at which level, and who switched it.
//!
//! Control rows of a scope, in (created_on, audit_id) order: a Stopped row opens a gap, a Started row closes it, further
//! Stopped rows are counted. A Started row that closes nothing makes a `start_unknown` gap, from the latest proof that
//! auditing ran. The `effective` gaps are the union of user access and organization, since either of them silences
//! accesses. Example: Stopped 08:00, Stopped 09:00, Started 10:00 → one closed gap of 7200 s with one repeated stop.

use super::kernel::Window;
use crate::error::Result;
use crate::lake::Control;
use std::collections::{BTreeMap, BTreeSet};

/// What auditing was switched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Column,
    Effective,
    Organization,
    Table,
    UserAccess,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Column => "column",
            Scope::Effective => "effective",
            Scope::Organization => "organization",
            Scope::Table => "table",
            Scope::UserAccess => "user_access",
        }
    }

    /// The scope an action switches, and whether it starts auditing.
    fn of_action(action: i32) -> Option<(Scope, bool)> {
        Some(match action {
            105 => (Scope::Table, true),
            106 => (Scope::Column, true),
            107 => (Scope::Organization, true),
            108 => (Scope::Table, false),
            109 => (Scope::Column, false),
            110 => (Scope::Organization, false),
            112 => (Scope::UserAccess, true),
            113 => (Scope::UserAccess, false),
            _ => return None,
        })
    }

    fn is_per_object(self) -> bool {
        matches!(self, Scope::Table | Scope::Column)
    }
}

/// A gap. Exactly one of `started_on` and `not_before` is set; `ended_on` is `None` while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub scope: Scope,
    pub object_id: Option<String>,
    pub started_on: Option<i64>,
    pub not_before: Option<i64>,
    pub ended_on: Option<i64>,
    pub stopped_by: Option<String>,
    pub started_by: Option<String>,
    pub causes: String,
    pub repeated_stops: Option<i64>,
    /// `[started_on or not_before, ended_on or log end)`
    pub window: Window,
}

impl Gap {
    pub fn state(&self) -> &'static str {
        match (self.ended_on, self.not_before) {
            (None, _) => "open",
            (Some(_), Some(_)) => "start_unknown",
            (Some(_), None) => "closed",
        }
    }
}

/// A control row that switches auditing, and whether it starts it.
type Switch<'a> = (&'a Control, bool);

/// What gaps are found in.
pub struct Switched<'a> {
    /// First and last instant of the log.
    pub log_start: i64,
    pub log_end: i64,
    /// In (created_on, audit_id) order.
    pub control: &'a [Control],
}

/// All gaps of an environment, in order of scope, object and time.
///
/// `last_accesses` tells the last access at or before each of some instants; it is asked once.
pub fn find(log: &Switched<'_>, last_accesses: impl FnOnce(&[i64]) -> Result<Vec<Option<i64>>>) -> Result<Vec<Gap>> {
    let mut per_object: BTreeMap<(Scope, Option<&str>), Vec<Switch<'_>>> = BTreeMap::new();
    for row in log.control {
        if let Some((scope, starts)) = Scope::of_action(row.action) {
            let object = row.object_id.as_deref().filter(|_| scope.is_per_object());
            per_object.entry((scope, object)).or_default().push((row, starts));
        }
    }
    let mut gaps = Vec::new();
    for ((scope, object), rows) in per_object {
        pair(log, scope, object, &rows, &mut gaps);
    }
    prove(log, &mut gaps, last_accesses)?;
    let effective = union(&gaps);
    gaps.extend(effective);
    Ok(gaps)
}

/// Pairs the switches of one scope and object. Where no Stopped row is known, `not_before` is the Started row before,
/// if there is one: what else proves that auditing ran is left to [`prove`].
fn pair(log: &Switched<'_>, scope: Scope, object: Option<&str>, rows: &[Switch<'_>], gaps: &mut Vec<Gap>) {
    let gap = |started_on: Option<i64>, not_before: Option<i64>, ended_on: Option<i64>| Gap {
        scope,
        object_id: object.map(str::to_owned),
        started_on,
        not_before,
        ended_on,
        stopped_by: None,
        started_by: None,
        causes: scope.name().to_owned(),
        repeated_stops: Some(0),
        window: Window {
            start: started_on.or(not_before).unwrap_or(log.log_start),
            end: ended_on.unwrap_or(log.log_end),
        },
    };
    let mut open: Option<(&Control, i64)> = None;
    let mut last_started: Option<i64> = None;
    for (row, starts) in rows {
        match (&mut open, *starts) {
            (None, false) => open = Some((row, 0)),
            (Some((_, repeated)), false) => *repeated += 1,
            (Some((stopped, repeated)), true) => {
                gaps.push(Gap {
                    stopped_by: stopped.user_id.clone(),
                    started_by: row.user_id.clone(),
                    repeated_stops: Some(*repeated),
                    ..gap(Some(stopped.created_on), None, Some(row.created_on))
                });
                open = None;
            }
            (None, true) => gaps.push(Gap {
                started_by: row.user_id.clone(),
                ..gap(None, last_started, Some(row.created_on))
            }),
        }
        if *starts {
            last_started = Some(row.created_on);
        }
    }
    if let Some((stopped, repeated)) = open {
        gaps.push(Gap {
            stopped_by: stopped.user_id.clone(),
            repeated_stops: Some(repeated),
            ..gap(Some(stopped.created_on), None, None)
        });
    }
}

/// Moves each unknown start to the latest instant, at or before the Started row, that proves auditing ran; else to the
/// log's start. A gap of which nothing is left is none.
fn prove(
    log: &Switched<'_>,
    gaps: &mut Vec<Gap>,
    last_accesses: impl FnOnce(&[i64]) -> Result<Vec<Option<i64>>>,
) -> Result<()> {
    let unknown = |gap: &Gap| gap.ended_on.filter(|_| gap.started_on.is_none());
    // Accesses prove nothing for tables and columns.
    let asks = |gap: &Gap| unknown(gap).filter(|_| !gap.scope.is_per_object());
    let instants: BTreeSet<i64> = gaps.iter().filter_map(asks).collect();
    let instants: Vec<i64> = instants.into_iter().collect();
    let found = if instants.is_empty() {
        Vec::new()
    } else {
        last_accesses(&instants)?
    };
    let accesses: BTreeMap<i64, Option<i64>> = instants.into_iter().zip(found).collect();
    for gap in gaps.iter_mut().filter(|gap| unknown(gap).is_some()) {
        let access = asks(gap).and_then(|on| accesses.get(&on).copied().flatten());
        let proof = gap.not_before.max(access).unwrap_or(log.log_start);
        gap.not_before = Some(proof);
        gap.window.start = proof;
    }
    gaps.retain(|gap| gap.not_before.is_none() || gap.not_before != gap.ended_on);
    Ok(())
}

/// The stretches in which accesses were not logged, for either reason.
fn union(gaps: &[Gap]) -> Vec<Gap> {
    let mut parts: Vec<&Gap> = gaps
        .iter()
        .filter(|gap| matches!(gap.scope, Scope::UserAccess | Scope::Organization))
        .collect();
    parts.sort_by_key(|gap| (gap.window, gap.scope));
    let mut groups: Vec<(i64, Vec<&Gap>)> = Vec::new();
    for part in parts {
        match groups.last_mut() {
            Some((end, group)) if part.window.start <= *end => {
                *end = part.window.end.max(*end);
                group.push(part);
            }
            _ => groups.push((part.window.end, vec![part])),
        }
    }
    groups.iter().map(|(end, parts)| merged(parts, *end)).collect()
}

/// One effective gap of parts that overlap or touch, the earliest first; the last of them ends at `end`.
fn merged(parts: &[&Gap], end: i64) -> Gap {
    let start = parts[0].window.start;
    let is_known = parts.iter().any(|part| part.started_on == Some(start));
    let is_open = parts.iter().any(|part| part.ended_on.is_none());
    let mut causes: Vec<&str> = parts.iter().map(|part| part.scope.name()).collect();
    causes.sort_unstable();
    causes.dedup();
    Gap {
        scope: Scope::Effective,
        object_id: None,
        started_on: is_known.then_some(start),
        not_before: (!is_known).then_some(start),
        ended_on: (!is_open).then_some(end),
        stopped_by: None,
        started_by: None,
        causes: causes.join("+"),
        repeated_stops: None,
        window: Window { start, end },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: i32 = 113;
    const START: i32 = 112;
    const ORG_STOP: i32 = 110;
    const ORG_START: i32 = 107;

    /// A log of [0, 100].
    struct Facts {
        accesses: Vec<i64>,
        control: Vec<Control>,
    }

    fn find(facts: &Facts) -> Vec<Gap> {
        let log = Switched {
            log_start: 0,
            log_end: 100,
            control: &facts.control,
        };
        let last = |at: i64| facts.accesses.iter().copied().filter(|on| *on <= at).max();
        super::find(&log, |instants| Ok(instants.iter().map(|&at| last(at)).collect())).expect("memory")
    }

    fn facts(switches: &[(i64, i32)], accesses: &[i64]) -> Facts {
        Facts {
            accesses: accesses.to_vec(),
            control: switches
                .iter()
                .enumerate()
                .map(|(place, &(created_on, action))| Control {
                    created_on,
                    audit_id: Some(format!("{place:03}")),
                    action,
                    object_id: None,
                    user_id: Some(format!("admin {place}")),
                })
                .collect(),
        }
    }

    /// (started_on, not_before, ended_on)
    type Bounds = (Option<i64>, Option<i64>, Option<i64>);

    fn user_access(facts: &Facts) -> Vec<Bounds> {
        let gaps = find(facts).into_iter();
        gaps.filter(|gap| gap.scope == Scope::UserAccess)
            .map(|gap| (gap.started_on, gap.not_before, gap.ended_on))
            .collect()
    }

    #[test]
    fn a_stopped_row_opens_and_a_started_row_closes() {
        let gaps = find(&facts(&[(10, STOP), (20, START)], &[]));
        assert_eq!(
            (gaps[0].started_on, gaps[0].ended_on, gaps[0].state()),
            (Some(10), Some(20), "closed")
        );
        assert_eq!(gaps[0].stopped_by.as_deref(), Some("admin 0"));
        assert_eq!(gaps[0].started_by.as_deref(), Some("admin 1"));
    }

    #[test]
    fn a_further_stopped_row_is_counted() {
        let gaps = find(&facts(&[(10, STOP), (12, STOP), (13, STOP), (20, START)], &[]));
        assert_eq!((gaps[0].window.start, gaps[0].repeated_stops), (10, Some(2)));
    }

    #[test]
    fn a_gap_open_at_the_end_has_no_end() {
        let gaps = find(&facts(&[(10, STOP)], &[]));
        assert_eq!(
            (gaps[0].ended_on, gaps[0].state(), gaps[0].window.end),
            (None, "open", 100)
        );
        assert_eq!(
            (gaps[1].scope, gaps[1].ended_on, gaps[1].state()),
            (Scope::Effective, None, "open")
        );
    }

    #[test]
    fn a_started_row_without_a_gap_reaches_back_to_the_latest_proof() {
        assert_eq!(user_access(&facts(&[(50, START)], &[])), [(None, Some(0), Some(50))]);
        assert_eq!(
            user_access(&facts(&[(50, START)], &[5, 30, 60])),
            [(None, Some(30), Some(50))]
        );
        let twice = facts(&[(10, STOP), (20, START), (50, START)], &[]);
        assert_eq!(
            user_access(&twice),
            [(Some(10), None, Some(20)), (None, Some(20), Some(50))]
        );
    }

    #[test]
    fn no_row_when_the_proof_is_at_the_started_row_itself() {
        assert_eq!(user_access(&facts(&[(50, START)], &[50])), []);
        assert_eq!(user_access(&facts(&[(0, START)], &[])), []);
        assert_eq!(
            user_access(&facts(&[(50, START), (50, START)], &[])),
            [(None, Some(0), Some(50))]
        );
    }

    #[test]
    fn stop_and_start_in_one_second_follow_the_audit_id() {
        assert_eq!(
            user_access(&facts(&[(10, STOP), (10, START)], &[])),
            [(Some(10), None, Some(10))]
        );
        assert_eq!(
            user_access(&facts(&[(10, START), (10, STOP)], &[10])),
            [(Some(10), None, None)]
        );
    }

    #[test]
    fn accesses_prove_nothing_for_tables_and_columns() {
        let mut facts = facts(&[(50, 105)], &[30]);
        facts.control[0].object_id = Some("account".to_owned());
        let gaps = find(&facts);
        assert_eq!(
            (gaps[0].not_before, gaps[0].object_id.as_deref()),
            (Some(0), Some("account"))
        );
        assert_eq!(gaps.len(), 1, "a table's gap is not effective for accesses");
    }

    #[test]
    fn objects_of_a_table_scope_do_not_close_each_other() {
        let mut facts = facts(&[(10, 108), (20, 105)], &[]);
        facts.control[0].object_id = Some("a".to_owned());
        facts.control[1].object_id = Some("b".to_owned());
        let gaps = find(&facts);
        assert_eq!(
            gaps.iter().map(Gap::state).collect::<Vec<_>>(),
            ["open", "start_unknown"]
        );
    }

    fn effective(switches: &[(i64, i32)]) -> Vec<(Window, String)> {
        let gaps = find(&facts(switches, &[]));
        let effective = gaps.into_iter().filter(|gap| gap.scope == Scope::Effective);
        effective.map(|gap| (gap.window, gap.causes)).collect()
    }

    #[test]
    fn effective_is_the_union_overlapping_or_touching() {
        let both = "organization+user_access".to_owned();
        let window = |start, end| Window { start, end };
        let inside = [(10, STOP), (12, ORG_STOP), (15, ORG_START), (20, START)];
        assert_eq!(effective(&inside), [(window(10, 20), both.clone())]);
        let touching = [(10, STOP), (20, START), (20, ORG_STOP), (30, ORG_START)];
        assert_eq!(effective(&touching), [(window(10, 30), both)]);
        let apart = [(10, STOP), (20, START), (21, ORG_STOP), (30, ORG_START)];
        assert_eq!(
            effective(&apart),
            [
                (window(10, 20), "user_access".into()),
                (window(21, 30), "organization".into())
            ]
        );
    }

    #[test]
    fn effective_start_is_known_when_a_part_that_begins_there_knows_it() {
        let gaps = find(&facts(&[(0, ORG_STOP), (5, ORG_START), (20, START)], &[]));
        let effective = gaps.last().unwrap();
        assert_eq!(
            (effective.started_on, effective.not_before, effective.ended_on),
            (Some(0), None, Some(20))
        );
    }
}
