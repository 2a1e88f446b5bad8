//! The planted auditing gaps and the control rows that tell of them.
//!
//! The period is cut into as many strata as there are gaps, and each stratum holds one: gaps never overlap, and their
//! scope goes round user_access (113 → 112), organization (110 → 107), table (108 → 105), column (109 → 106). Lengths
//! run from five seconds to four days, as many short ones as long ones on a logarithmic scale. From the fourth gap on,
//! the last may stay open. A window is `[started, ended)`: inside one of the first two scopes no access is logged,
//! inside an organization window no change either; a stopped table or column is missing from the change rows.
//!
//! Some switches are preceded by the row of the setting itself (104, 102, 103), and now and then a 111 tells that
//! logs were deleted; nothing is in fact missing there.

use super::draw::{Draw, Purpose};
use super::people::{ADMINISTRATORS, DAY_S, HOUR_S};
use super::tables::TABLES;

const SHORTEST_S: u32 = 5;
const LONGEST_S: u32 = 4 * DAY_S;
/// Below this a stratum has no room for a gap with ordinary life around it.
pub const SHORTEST_STRATUM_S: u32 = 900;

/// At which level auditing was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    UserAccess,
    Organization,
    Table,
    Column,
}

impl Scope {
    const ROUND: [Scope; 4] = [Scope::UserAccess, Scope::Organization, Scope::Table, Scope::Column];

    /// As the gaps report spells it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::UserAccess => "user_access",
            Scope::Organization => "organization",
            Scope::Table => "table",
            Scope::Column => "column",
        }
    }

    fn stop_action(self) -> u8 {
        match self {
            Scope::UserAccess => 113,
            Scope::Organization => 110,
            Scope::Table => 108,
            Scope::Column => 109,
        }
    }

    fn start_action(self) -> u8 {
        match self {
            Scope::UserAccess => 112,
            Scope::Organization => 107,
            Scope::Table => 105,
            Scope::Column => 106,
        }
    }

    fn setting_action(self) -> u8 {
        match self {
            Scope::UserAccess | Scope::Organization => 104,
            Scope::Table => 102,
            Scope::Column => 103,
        }
    }
}

/// What a control row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Organization,
    Table(u8),
    Column(u8, u8),
}

/// Instants here are seconds since the log's start.
#[derive(Debug, Clone)]
pub struct Window {
    pub scope: Scope,
    pub target: Target,
    pub start_s: u32,
    pub end_s: Option<u32>,
    pub stopped_by: u32,
    pub started_by: u32,
}

impl Window {
    fn holds(&self, at_s: u32) -> bool {
        self.start_s <= at_s && self.end_s.is_none_or(|end_s| at_s < end_s)
    }
}

#[derive(Debug, Clone)]
pub struct Control {
    pub at_s: u32,
    pub action: u8,
    pub target: Target,
    pub by: u32,
}

/// Windows and control rows, each in the order of time.
#[derive(Debug, Clone, Default)]
pub struct Windows {
    pub planted: Vec<Window>,
    pub controls: Vec<Control>,
}

impl Windows {
    pub fn plant(seed: u64, days: u32, gaps: u32) -> Windows {
        let planted: Vec<Window> = (0..gaps).map(|index| window(seed, days, gaps, index)).collect();
        let mut windows = Windows {
            planted,
            controls: Vec::new(),
        };
        let mut controls = windows.deletions(seed, days);
        for (index, window) in windows.planted.iter().enumerate() {
            let mut draw = Draw::new(seed, Purpose::Window, index as u64, 1);
            let stop = window.scope.stop_action();
            switch(
                &mut controls,
                &mut draw,
                window,
                window.start_s,
                stop,
                window.stopped_by,
            );
            if let Some(end_s) = window.end_s {
                let start = window.scope.start_action();
                switch(&mut controls, &mut draw, window, end_s, start, window.started_by);
            }
        }
        controls.sort_by_key(|control| control.at_s);
        windows.controls = controls;
        windows
    }

    /// The window open at an instant, if any; strata keep it the only one.
    pub fn at(&self, at_s: u32) -> Option<&Window> {
        let after = self.planted.partition_point(|window| window.start_s <= at_s);
        self.planted[..after].last().filter(|window| window.holds(at_s))
    }

    pub fn logs_access(&self, at_s: u32) -> bool {
        let scope = self.at(at_s).map(|window| window.scope);
        !matches!(scope, Some(Scope::UserAccess | Scope::Organization))
    }

    pub fn logs_changes(&self, at_s: u32) -> bool {
        self.at(at_s).is_none_or(|window| window.scope != Scope::Organization)
    }

    /// Whether any window reaches into `[from_s, until_s)`; if none does, nobody needs to ask row by row.
    pub fn touch(&self, from_s: u32, until_s: u32) -> bool {
        let after = self.planted.partition_point(|window| window.start_s < until_s);
        self.planted[..after]
            .last()
            .is_some_and(|window| window.end_s.is_none_or(|end_s| end_s > from_s))
    }

    fn deletions(&self, seed: u64, days: u32) -> Vec<Control> {
        (0..days)
            .filter_map(|day| {
                let mut draw = Draw::new(seed, Purpose::Deletion, u64::from(day), 0);
                let at_s = day * DAY_S + 2 * HOUR_S + draw.below(HOUR_S);
                let happens = draw.chance(20) && self.logs_changes(at_s);
                happens.then(|| Control {
                    at_s,
                    action: 111,
                    target: Target::Organization,
                    by: ADMINISTRATORS[0],
                })
            })
            .collect()
    }
}

fn window(seed: u64, days: u32, gaps: u32, index: u32) -> Window {
    let mut draw = Draw::new(seed, Purpose::Window, u64::from(index), 0);
    let scope = Scope::ROUND[index as usize % Scope::ROUND.len()];
    let table = draw.below(TABLES.len() as u32) as u8;
    let columns = TABLES[usize::from(table)].columns.len() as u32;
    let target = match scope {
        Scope::UserAccess | Scope::Organization => Target::Organization,
        Scope::Table => Target::Table(table),
        Scope::Column => Target::Column(table, draw.below(columns) as u8),
    };
    let period_s = u64::from(days) * u64::from(DAY_S);
    let edge = |stratum: u32| (period_s * u64::from(stratum) / u64::from(gaps)) as u32;
    let (from_s, stratum_s) = (edge(index), edge(index + 1) - edge(index));
    let stays_open = index == gaps - 1 && gaps >= 4 && draw.chance(500);
    let (start_s, end_s) = if stays_open {
        (from_s + stratum_s / 5 * 4 + draw.below(stratum_s / 8), None)
    } else {
        let length_s = length(&mut draw, (stratum_s / 5 * 2).min(LONGEST_S));
        // A little life on both sides keeps the windows of neighbouring strata apart.
        let start_s = from_s + 60 + draw.below(stratum_s - length_s - 120);
        (start_s, Some(start_s + length_s))
    };
    Window {
        scope,
        target,
        start_s,
        end_s,
        stopped_by: *draw.pick(&[&ADMINISTRATORS[0], &ADMINISTRATORS[1]], &ADMINISTRATORS[0]),
        started_by: ADMINISTRATORS[0],
    }
}

/// Every doubling from the shortest length to `most_s` is as likely as any other.
fn length(draw: &mut Draw, most_s: u32) -> u32 {
    let doublings = (most_s / SHORTEST_S).max(1).ilog2();
    let shortest_s = SHORTEST_S << draw.below(doublings + 1);
    (shortest_s + draw.below(shortest_s)).min(most_s)
}

fn switch(controls: &mut Vec<Control>, draw: &mut Draw, window: &Window, at_s: u32, action: u8, by: u32) {
    let target = window.target;
    if draw.chance(500) {
        let action = window.scope.setting_action();
        let at_s = at_s - draw.below(3);
        controls.push(Control {
            at_s,
            action,
            target,
            by,
        });
    }
    controls.push(Control {
        at_s,
        action,
        target,
        by,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_go_round_the_scopes_and_never_overlap() {
        let windows = Windows::plant(3, 400, 21);
        assert_eq!(windows.planted.len(), 21);
        for (index, pair) in windows.planted.windows(2).enumerate() {
            assert_eq!(pair[0].scope, Scope::ROUND[index % 4]);
            assert!(pair[0].end_s.is_some_and(|end_s| end_s < pair[1].start_s));
        }
        let lengths: Vec<u32> = windows
            .planted
            .iter()
            .filter_map(|window| Some(window.end_s? - window.start_s))
            .collect();
        assert!(lengths.iter().any(|length_s| *length_s < 600), "{lengths:?}");
        assert!(lengths.iter().any(|length_s| *length_s > DAY_S), "{lengths:?}");
    }

    #[test]
    fn the_last_gap_stays_open_for_some_seeds() {
        let open = (0..20)
            .filter(|seed| Windows::plant(*seed, 30, 4).planted[3].end_s.is_none())
            .count();
        assert!((4..16).contains(&open), "{open}");
        assert!((0..20).all(|seed| Windows::plant(seed, 30, 3).planted[2].end_s.is_some()));
    }

    #[test]
    fn the_densest_allowed_gaps_still_fit() {
        let windows = Windows::plant(1, 2, 2 * DAY_S / SHORTEST_STRATUM_S);
        assert!(windows.planted.iter().all(|window| window.start_s < 2 * DAY_S));
    }

    #[test]
    fn every_switch_has_its_row() {
        let windows = Windows::plant(5, 200, 8);
        let rows = |action| windows.controls.iter().filter(|row| row.action == action).count();
        assert_eq!([rows(113), rows(112), rows(110), rows(107)], [2; 4]);
        assert_eq!([rows(108), rows(105), rows(109)], [2; 3]);
        assert!(windows.controls.is_sorted_by_key(|control| control.at_s));
    }
}
