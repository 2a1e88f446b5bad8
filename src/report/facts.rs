//! What every report of one environment starts from: its log window, its actors and their names.

use super::options::Intervals;
use std::collections::HashMap;

/// Instants in microseconds.
#[derive(Debug, Default)]
pub struct Facts {
    pub environment: String,
    /// First and last instant of the log. Unlike every other interval, it holds its end: the last row lies there.
    pub log_start: i64,
    pub log_end: i64,
    /// Actor ids in byte order; the first has the number `first_actor`, the next the number after it.
    pub actors: Vec<String>,
    pub first_actor: u32,
    pub intervals: Intervals,
    /// Id → newest name.
    pub names: HashMap<String, String>,
}

impl Facts {
    pub fn name_of(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// The id of an actor by number.
    pub fn actor(&self, number: u32) -> &str {
        &self.actors[(number - self.first_actor) as usize]
    }

    /// The number after that of the last actor.
    pub fn actors_end(&self) -> u32 {
        self.first_actor + self.actors.len() as u32
    }
}
