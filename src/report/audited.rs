//! How much of a stretch of time was audited: what lies in the log and in no effective gap.

use super::facts::Facts;
use super::gaps::{Gap, Scope};
use super::kernel::{Window, overlap_us};

pub struct Audited {
    pub log_start: i64,
    pub log_end: i64,
    /// Disjoint and in order.
    gaps: Vec<Window>,
}

impl Audited {
    pub fn new(facts: &Facts, gaps: &[Gap]) -> Audited {
        let effective = gaps.iter().filter(|gap| gap.scope == Scope::Effective);
        Audited {
            log_start: facts.log_start,
            log_end: facts.log_end,
            gaps: effective.map(|gap| gap.window).collect(),
        }
    }

    /// Micros of `[from, to)` in which auditing was off.
    pub fn gap_us(&self, from: i64, to: i64) -> i64 {
        overlap_us(&self.gaps, from, to)
    }

    /// The audited share of `[from, to)`; time outside the log is not audited. Of no time there is no share.
    pub fn share(&self, from: i64, to: i64) -> Option<f64> {
        let (start, end) = (from.max(self.log_start), to.min(self.log_end));
        let audited = (end - start).max(0) - self.gap_us(start, end);
        (from < to).then(|| audited as f64 / (to - from) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_log_or_in_a_gap_is_not_audited() {
        let audited = Audited {
            log_start: 100,
            log_end: 200,
            gaps: vec![Window { start: 100, end: 110 }, Window { start: 150, end: 170 }],
        };
        assert_eq!(audited.share(100, 200), Some(0.7));
        assert_eq!(audited.share(0, 200), Some(0.35));
        assert_eq!(audited.share(160, 180), Some(0.5));
        assert_eq!(audited.share(150, 170), Some(0.0));
        assert_eq!(audited.share(0, 50), Some(0.0));
        assert_eq!(audited.share(200, 200), None);
    }
}
