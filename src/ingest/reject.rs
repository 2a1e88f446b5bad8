//! A record that could not be understood: kept whole, with its place and the reason. Bad data is a value, not an error.
//!
//! A run hands its rejects to the lake as they come, some MiB at a time, and keeps only the first few, for people, and
//! a count of each code.

use super::Tally;
use super::block::Block;
use super::head::{Form, Head, Table};
use crate::error::Result;
use crate::instant::DateOrder;
use crate::lake::identity::Identity;
use crate::lake::rejects::{RejectRow, RejectRows, RejectSink};
use crate::lake::{Settled, Writer};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const SHOWN: usize = 10;

/// A reject where it was found: small, since a block may hold nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub reason: Arc<Reason>,
    /// Line of a line-oriented input, else position of the record; both count from 1.
    pub record: u64,
    /// Its bytes in the block.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// Whose record it would have been.
    pub environment: String,
    /// Stable; see the README.
    pub code: &'static str,
    pub sentence: String,
}

/// Where a record was rejected, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectNote {
    pub input: String,
    pub record: u64,
    pub code: String,
    pub sentence: String,
}

/// The rejects of a run.
#[derive(Default)]
pub struct Rejects {
    rows: RejectRows,
    pub first: Vec<RejectNote>,
    pub by_code: BTreeMap<String, u64>,
    headers: Headers,
}

/// The header of the last input, which a reject needs and its `Head` does not spell out.
#[derive(Default)]
struct Headers {
    last: Option<(Arc<Head>, Option<String>)>,
}

impl Headers {
    fn of(&mut self, head: &Arc<Head>) -> Option<&str> {
        if !matches!(&self.last, Some((last, _)) if Arc::ptr_eq(last, head)) {
            self.last = Some((head.clone(), head.form.header()));
        }
        self.last.as_ref().and_then(|(_, header)| header.as_deref())
    }
}

/// The row of a reject of a block; `before` is what its number counts on from.
fn row_of<'a>(reject: &'a Reject, block: &'a Block, before: u64, header: Option<&'a str>) -> RejectRow<'a> {
    let head = &block.head;
    RejectRow {
        source: &head.source,
        record: (reject.record + before) as i64,
        byte_offset: (head.typed.is_none()).then_some((block.offset + reject.span.start as u64) as i64),
        code: reject.reason.code,
        sentence: &reject.reason.sentence,
        table: Some(head.table.name()),
        environment: Some(&reject.reason.environment),
        environment_is_given: Some(head.environment_is_given),
        source_tz: Some(head.zone.name()),
        form: Some(head.form.name()),
        header,
        date_order: head.date_order.map(DateOrder::name),
        exported_on: (head.table != Table::Audit).then_some(head.exported_on),
        raw: &block.bytes[reject.span.clone()],
    }
}

impl Rejects {
    /// Takes the rejects of a block; `before` is what their numbers count on from.
    pub fn take(&mut self, rejects: Vec<Reject>, block: &Block, before: u64, sink: &mut impl RejectSink) -> Result<()> {
        for reject in rejects {
            let header = self.headers.of(&block.head).map(str::to_owned);
            self.push(&row_of(&reject, block, before, header.as_deref()), sink)?;
        }
        Ok(())
    }

    /// Takes one reject that counts.
    pub fn push(&mut self, row: &RejectRow<'_>, sink: &mut impl RejectSink) -> Result<()> {
        if self.first.len() < SHOWN {
            self.first.push(RejectNote {
                input: row.source.to_owned(),
                record: row.record as u64,
                code: row.code.to_owned(),
                sentence: row.sentence.to_owned(),
            });
        }
        match self.by_code.get_mut(row.code) {
            Some(count) => *count += 1,
            None => drop(self.by_code.insert(row.code.to_owned(), 1)),
        }
        self.keep(row, sink)
    }

    /// Takes one reject that is only kept.
    pub fn keep(&mut self, row: &RejectRow<'_>, sink: &mut impl RejectSink) -> Result<()> {
        self.rows.push(row);
        match self.rows.is_full() {
            true => self.write_out(sink),
            false => Ok(()),
        }
    }

    /// Stages what is still held.
    pub fn write_out(&mut self, sink: &mut impl RejectSink) -> Result<()> {
        sink.reject(&self.rows.take()?)
    }
}

/// Deletions whose row may be known by the end of the run, with the rejects they are if it is not.
#[derive(Default)]
pub struct Doubts {
    rows: RejectRows,
    /// Whose they are, by the number the caller gives, with their ordinals; in the order of the rows.
    stretches: Vec<(usize, Range<u64>)>,
    headers: Headers,
}

impl Doubts {
    /// Takes the deletions of a block.
    pub fn take(
        &mut self,
        owner: usize,
        deletions: Vec<(Identity, Reject)>,
        block: &Block,
        before: u64,
        writer: &mut Writer,
    ) -> Result<()> {
        for (identity, reject) in deletions {
            let header = self.headers.of(&block.head).map(str::to_owned);
            self.push(
                owner,
                identity,
                &row_of(&reject, block, before, header.as_deref()),
                writer,
            )?;
        }
        Ok(())
    }

    /// Takes one deletion.
    pub fn push(&mut self, owner: usize, identity: Identity, row: &RejectRow<'_>, writer: &mut Writer) -> Result<()> {
        let ordinal = writer.delete(identity)?;
        match self.stretches.last_mut() {
            Some((last, stretch)) if *last == owner && stretch.end == ordinal => stretch.end += 1,
            _ => self.stretches.push((owner, ordinal..ordinal + 1)),
        }
        self.rows.push(row);
        match self.rows.is_full() {
            true => writer.doubt(&self.rows.take()?),
            false => Ok(()),
        }
    }

    /// Stages what is still held, before the run is settled.
    pub fn write_out(&mut self, writer: &mut Writer) -> Result<()> {
        writer.doubt(&self.rows.take()?)
    }

    /// Says of each deletion whose it is and whether its row is known; those of unknown rows become rejects.
    pub fn settle(self, run: &mut Settled, rejects: &mut Rejects, mut tell: impl FnMut(usize, bool)) -> Result<()> {
        let each = |(owner, stretch): (usize, Range<u64>)| stretch.map(move |ordinal| (owner, ordinal));
        let mut deletions = self.stretches.into_iter().flat_map(each);
        for rows in run.doubtful()? {
            let rows = rows?;
            for (row, (owner, ordinal)) in (0..rows.num_rows()).zip(&mut deletions) {
                let is_known = run.has_deleted(ordinal);
                tell(owner, is_known);
                if !is_known {
                    rejects.push(&RejectRow::of(&rows, row), run)?;
                }
            }
        }
        Ok(())
    }
}

/// The line that must stand above raw records of a form to make them an export again, if there is one.
pub fn header_line(form: &str, header: Option<&str>) -> Option<String> {
    match Form::of(form, header)? {
        Form::Csv(layout) => Some(layout.to_line()),
        Form::Lines | Form::Pages | Form::Xml(_) => None,
    }
}

/// How many rejects a run may have before it counts as incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxRejects {
    Count(u64),
    /// Of the records read, in millionths of a percent.
    Share(u64),
}

/// How many of a share's units make the whole.
const WHOLE: u64 = 100_000_000;

impl MaxRejects {
    /// `10`, or a share like `1%` and `0.5%`.
    pub fn parse(text: &str) -> Option<MaxRejects> {
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let Some(percent) = text.strip_suffix('%') else {
            return is_number(text)
                .then(|| text.parse().ok().map(MaxRejects::Count))
                .flatten();
        };
        let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
        if !is_number(whole) || !is_number(fraction) || fraction.len() > 6 {
            return None;
        }
        let share = format!("{whole}{fraction:0<6}").parse().ok()?;
        (share <= WHOLE).then_some(MaxRejects::Share(share))
    }

    /// Exactly as many as allowed are tolerated.
    pub fn tolerates(self, tally: &Tally) -> bool {
        match self {
            MaxRejects::Count(limit) => tally.rejected <= limit,
            MaxRejects::Share(share) => {
                u128::from(tally.rejected) * u128::from(WHOLE) <= u128::from(share) * u128::from(tally.read)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_rejects_is_a_number_or_a_share() {
        for (text, limit) in [
            ("0", MaxRejects::Count(0)),
            ("12", MaxRejects::Count(12)),
            ("1%", MaxRejects::Share(1_000_000)),
            ("0.5%", MaxRejects::Share(500_000)),
            ("0.000001%", MaxRejects::Share(1)),
            ("100%", MaxRejects::Share(WHOLE)),
            ("0%", MaxRejects::Share(0)),
        ] {
            assert_eq!(MaxRejects::parse(text), Some(limit), "{text}");
        }
        for text in [
            "",
            "%",
            "-1",
            "+1",
            "1 %",
            "0,5%",
            "1.%",
            ".5%",
            "1.5",
            "100.000001%",
            "0.0000001%",
            "x",
            "5%%",
            "99999999999999999999",
        ] {
            assert_eq!(MaxRejects::parse(text), None, "{text}");
        }
    }

    #[test]
    fn exactly_at_the_limit_is_tolerated() {
        let tally = |rejected| Tally {
            read: 1_000,
            accepted: 1_000 - rejected,
            duplicate: 0,
            rejected,
        };
        for (limit, most) in [
            ("0", 0),
            ("7", 7),
            ("0.1%", 1),
            ("0.7%", 7),
            ("0.05%", 0),
            ("100%", 1_000),
        ] {
            let limit = MaxRejects::parse(limit).unwrap();
            assert!(limit.tolerates(&tally(most)), "{limit:?}");
            assert!(most == 1_000 || !limit.tolerates(&tally(most + 1)), "{limit:?}");
        }
        assert!(
            MaxRejects::Share(0).tolerates(&Tally::default()),
            "nothing read, nothing rejected"
        );
    }
}
