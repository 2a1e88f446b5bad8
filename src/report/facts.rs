//! What every report of one environment starts from: its log window, its actors and their names.

use super::options::{Intervals, Options};
use crate::lake::Lake;
use crate::lake::newest::Persons;
use crate::lake::side::Side;
use std::sync::Arc;

/// Instants in microseconds.
#[derive(Debug, Default)]
pub struct Facts {
    pub environment: String,
    /// Whether there are rows; users may be known where there are none.
    pub has_log: bool,
    /// First and last instant of the log. Unlike every other interval, it holds its end: the last row lies there.
    pub log_start: i64,
    pub log_end: i64,
    /// Actor ids in byte order; actors are places among them.
    pub actors: Vec<String>,
    pub intervals: Intervals,
    /// Those that reports speak of, as far as they are known.
    pub persons: Arc<Persons>,
}

impl Facts {
    /// What is known before any row and any name is read: persons and actors come later.
    pub fn of(lake: &Lake, environment: &str, side: &Side, options: &Options) -> Facts {
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let window = lake.window(environment).filter(|(first, _)| *first <= as_of);
        Facts {
            environment: environment.to_owned(),
            has_log: window.is_some(),
            log_start: window.map_or(0, |(first, _)| first),
            log_end: window.map_or(0, |(_, last)| options.as_of.unwrap_or(last)),
            actors: Vec::new(),
            intervals: Intervals::of(side.organization(environment), options),
            persons: Arc::default(),
        }
    }

    pub fn name_of(&self, id: &str) -> Option<&str> {
        self.persons.name_of(id)
    }
}
