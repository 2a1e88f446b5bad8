//! What every report of one environment starts from: its log window, accesses, control rows and names, as plain slices.

use super::options::{Intervals, Options};
use crate::error::Result;
use crate::lake::names::Names;
use crate::lake::side::Side;
use crate::lake::{Accesses, Control, Lake};
use crate::record::ACTION_WEB;
use rayon::prelude::*;
use std::collections::HashMap;

/// The number of an actor that is not known.
pub const NOBODY: u32 = u32::MAX;

/// Instants in microseconds; accesses in order of time.
#[derive(Debug, Default)]
pub struct Facts {
    pub environment: String,
    /// First and last instant of the log. Unlike every other interval, it holds its end: the last row lies there.
    pub log_start: i64,
    pub log_end: i64,
    /// Actor ids in byte order; an actor's number is its place here.
    pub actors: Vec<String>,
    /// Access rows, column by column.
    pub created_on: Vec<i64>,
    pub actor: Vec<u32>,
    pub is_web: Vec<bool>,
    pub control: Vec<Control>,
    pub intervals: Intervals,
    /// Id → newest name.
    pub names: HashMap<String, String>,
}

impl Facts {
    /// Reads an environment; `None` when it has no row up to `as_of`.
    pub fn load(
        lake: &Lake,
        names: &Names,
        side: &Side,
        environment: &str,
        options: &Options,
    ) -> Result<Option<Facts>> {
        let as_of = options.as_of.unwrap_or(i64::MAX);
        let Some((log_start, last)) = lake.window(environment).filter(|(first, _)| *first <= as_of) else {
            return Ok(None);
        };
        let mut facts = Facts {
            environment: environment.to_owned(),
            log_start,
            log_end: options.as_of.unwrap_or(last),
            intervals: Intervals::of(side.organization(environment), options),
            control: lake.control_rows(environment, as_of)?,
            names: owned(names.newest(environment, side)),
            ..Facts::default()
        };
        facts.take_accesses(lake.accesses(environment, as_of)?);
        Ok(Some(facts))
    }

    /// Joins stretches into one column set, actors numbered in byte order, rows in order of time.
    pub fn take_accesses(&mut self, stretches: Vec<Accesses>) {
        let mut ids: Vec<&str> = stretches
            .iter()
            .flat_map(|s| s.actors.iter().map(String::as_str))
            .collect();
        ids.par_sort_unstable();
        ids.dedup();
        for stretch in &stretches {
            let number = |id: &String| ids.binary_search(&id.as_str()).map_or(NOBODY, |place| place as u32);
            let numbers: Vec<u32> = stretch.actors.iter().map(number).collect();
            self.created_on.extend_from_slice(&stretch.created_on);
            self.is_web
                .extend(stretch.action.iter().map(|&action| action == ACTION_WEB));
            self.actor.extend(
                stretch
                    .actor
                    .iter()
                    .map(|actor| actor.map_or(NOBODY, |local| numbers[local as usize])),
            );
        }
        self.actors = ids.into_iter().map(str::to_owned).collect();
        if !self.created_on.is_sorted() {
            self.sort_by_time();
        }
    }

    /// Stretches of files written by different runs may overlap in time.
    fn sort_by_time(&mut self) {
        let mut order: Vec<u32> = (0..self.created_on.len() as u32).collect();
        order.par_sort_by_key(|&row| self.created_on[row as usize]);
        let place = |row: &u32| *row as usize;
        self.created_on = order.iter().map(|row| self.created_on[place(row)]).collect();
        self.actor = order.iter().map(|row| self.actor[place(row)]).collect();
        self.is_web = order.iter().map(|row| self.is_web[place(row)]).collect();
    }

    pub fn name_of(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }
}

fn owned(names: HashMap<&str, &str>) -> HashMap<String, String> {
    names
        .into_iter()
        .map(|(id, name)| (id.to_owned(), name.to_owned()))
        .collect()
}
