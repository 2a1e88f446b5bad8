//! A plan worked out: who does what when, which rows stand on which page, and what each row says.

use super::Plan;
use super::draw::Guid;
use super::pages::Paging;
use super::row::Composer;
use super::schedule::Schedule;
use chrono::NaiveTime;
use std::io;

#[derive(Debug)]
pub struct Log<'a> {
    pub plan: &'a Plan,
    pub paging: Paging,
    pub composer: Composer,
}

impl Log<'_> {
    pub fn of(plan: &Plan) -> io::Result<Log<'_>> {
        let schedule = Schedule::of(plan)?;
        let unique = schedule.slices.iter().map(|slice| slice.rows()).sum();
        Ok(Log {
            plan,
            paging: Paging::new(plan.seed, unique, plan.duplicates, plan.page_rows),
            composer: Composer {
                schedule,
                start_unix_s: plan.start.and_time(NaiveTime::MIN).and_utc().timestamp(),
                records: (plan.change_rows / 40).clamp(50, 50_000_000) as u32,
            },
        })
    }

    pub fn start_unix_s(&self) -> i64 {
        self.composer.start_unix_s
    }

    /// The first second after the log.
    pub fn end_unix_s(&self) -> i64 {
        self.start_unix_s() + i64::from(self.plan.days) * 86_400
    }

    /// What the host calls the environment: `contoso-sim` of `contoso-sim.crm4.dynamics.com`.
    pub fn host_label(&self) -> &str {
        let host = &self.plan.environment_host;
        host.split_once('.').map_or(host, |(label, _)| label)
    }

    pub fn organization_id(&self) -> Guid {
        self.composer.schedule.organisation.organization_id()
    }

    /// The first and the last row of a page.
    pub fn ends_of_page(&self, page: u64) -> Option<(Guid, Guid)> {
        let page = self.paging.page(page);
        let ids = page.ordinals(self.plan.seed);
        let id = |ordinal: &u64| self.composer.audit_id(*ordinal);
        ids.first().map(id).zip(ids.last().map(id))
    }
}
