//! From when to when an input has accesses, by environment.
//!
//! Rows that the lake knew already count like new ones, so what stands here is the input's own and does not depend on
//! what was ingested before it (L9). The report `silence` tells by it which inputs end where a silence begins.

use crate::lake::ledger::AccessWindow;
use crate::record::Kind;

/// Of a block, or of all blocks so far.
#[derive(Debug, Clone, Default)]
pub struct Accesses {
    windows: Vec<AccessWindow>,
    /// Where the last row's environment stands: rows of one environment come together.
    last: usize,
}

impl Accesses {
    /// Takes a row; it may be none.
    pub fn see(&mut self, environment: &str, created_on: i64, action: i32) {
        if Kind::of(action) == Kind::Access {
            self.widen(environment, created_on, created_on);
        }
    }

    /// Takes the rows of another block.
    pub fn merge(&mut self, block: &Accesses) {
        for window in &block.windows {
            self.widen(&window.environment, window.first_on_us, window.last_on_us);
        }
    }

    /// In the order of environments, so that the order of rows does not matter.
    pub fn into_windows(mut self) -> Vec<AccessWindow> {
        self.windows
            .sort_by(|one, other| one.environment.cmp(&other.environment));
        self.windows
    }

    fn widen(&mut self, environment: &str, first: i64, last: i64) {
        let is_other = |window: &AccessWindow| window.environment != environment;
        if self.windows.get(self.last).is_none_or(is_other) {
            let known = self.windows.iter().position(|window| !is_other(window));
            self.last = known.unwrap_or(self.windows.len());
        }
        match self.windows.get_mut(self.last) {
            Some(window) => {
                window.first_on_us = window.first_on_us.min(first);
                window.last_on_us = window.last_on_us.max(last);
            }
            None => self.windows.push(AccessWindow {
                environment: environment.to_owned(),
                first_on_us: first,
                last_on_us: last,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_of_accesses_and_by_environment() {
        let mut rows = Accesses::default();
        let mut other = Accesses::default();
        for (environment, on, action) in [("b", 5, 64), ("a", 7, 65), ("b", 3, 64), ("a", 1, 2), ("b", 9, 112)] {
            rows.see(environment, on, action);
        }
        other.see("a", 4, 64);
        rows.merge(&other);
        let windows = rows.into_windows();
        let told = windows
            .iter()
            .map(|of| (&*of.environment, of.first_on_us, of.last_on_us));
        assert_eq!(told.collect::<Vec<_>>(), [("a", 4, 7), ("b", 3, 5)]);
    }
}
