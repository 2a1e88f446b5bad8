//! From when to when an input has accesses, by environment.
//!
//! Rows that the lake knew already count like new ones, so what stands here is the input's own and does not depend on
//! what was ingested before it (L9). The report `silence` tells by it which inputs end where a silence begins.

use crate::lake::ledger::AccessWindow;
use crate::record::Kind;

/// Of a block, or of all blocks so far.
#[derive(Debug, Clone, Default)]
pub struct Accesses {
    /// Without an access while it ends before it begins.
    windows: Vec<AccessWindow>,
    /// That of the rows that come next.
    window: usize,
}

impl Accesses {
    /// The rows that come next are of this environment.
    pub fn enter(&mut self, environment: &str) {
        let is_its = |window: &AccessWindow| window.environment == environment;
        self.window = self.windows.iter().position(is_its).unwrap_or_else(|| {
            self.windows.push(AccessWindow {
                environment: environment.to_owned(),
                first_on_us: i64::MAX,
                last_on_us: i64::MIN,
            });
            self.windows.len() - 1
        });
    }

    /// Takes a row; it may be none.
    pub fn see(&mut self, created_on: i64, action: i32) {
        if Kind::of(action) == Kind::Access {
            self.widen(created_on, created_on);
        }
    }

    fn widen(&mut self, first: i64, last: i64) {
        let window = &mut self.windows[self.window];
        window.first_on_us = window.first_on_us.min(first);
        window.last_on_us = window.last_on_us.max(last);
    }

    /// Takes the rows of another block.
    pub fn merge(&mut self, block: &Accesses) {
        for window in &block.windows {
            self.enter(&window.environment);
            self.widen(window.first_on_us, window.last_on_us);
        }
    }

    /// In the order of environments, so that the order of rows does not matter.
    pub fn into_windows(mut self) -> Vec<AccessWindow> {
        self.windows.retain(|window| window.first_on_us <= window.last_on_us);
        self.windows
            .sort_by(|one, other| one.environment.cmp(&other.environment));
        self.windows
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
            rows.enter(environment);
            rows.see(on, action);
        }
        rows.enter("c");
        other.enter("a");
        other.see(4, 64);
        rows.merge(&other);
        let windows = rows.into_windows();
        let told = windows
            .iter()
            .map(|of| (&*of.environment, of.first_on_us, of.last_on_us));
        assert_eq!(told.collect::<Vec<_>>(), [("a", 4, 7), ("b", 3, 5)]);
    }
}
