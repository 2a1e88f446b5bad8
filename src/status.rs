//! How `gatelog status` reads for people: what is known of each environment, then, as notes, what is not.

use crate::console::{counted, one_line};
use crate::grid::{self, Side};
use crate::runs;
use gatelog::report::status::{Environment, Inputs, Month, Organization, Origin, Status, Users};
use indicatif::HumanCount;
use std::io::{self, Write};

/// Shows all of it.
pub fn show(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    for environment in &status.environments {
        show_environment(environment, out)?;
    }
    writeln!(out, "inputs of the whole lake")?;
    for inputs in &status.inputs {
        writeln!(out, "  {}", line_of_inputs(inputs))?;
    }
    let rejects: Vec<String> = status
        .rejects
        .iter()
        .map(|(code, count)| format!("{} {code}", HumanCount(*count)))
        .collect();
    match rejects.is_empty() {
        true => writeln!(out, "rejects: none")?,
        false => writeln!(out, "rejects: {}; see `gatelog rejects`", rejects.join(", "))?,
    }
    match status.last_run_age_s {
        None => writeln!(out, "runs: none on record"),
        Some(age_s) => {
            writeln!(out, "last runs, the newest {}; all with `gatelog runs`", age(age_s))?;
            runs::show_lines(status.last_runs.iter(), out)
        }
    }
}

/// How long ago, in the largest unit of which there are two.
fn age(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..0 => return "ahead of this clock".to_owned(),
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{} ago", counted(count as usize, unit))
}

/// Months that are shown one by one.
const MONTHS: usize = 12;

/// The last months, and a line for those before.
fn show_months(months: &[Month], out: &mut dyn Write) -> io::Result<()> {
    let (earlier, last) = months.split_at(months.len().saturating_sub(MONTHS));
    let cells = |name: &str, months: &[Month]| {
        let sum = |of: fn(&Month) -> u64| HumanCount(months.iter().map(of).sum()).to_string();
        let counts = [
            sum(|of| of.access_rows),
            sum(|of| of.control_rows),
            sum(|of| of.change_rows),
        ];
        let [access, control, change] = counts;
        [String::new(), name.to_owned(), access, control, change]
    };
    let mut rows = vec![["", "month", "access", "control", "change"].map(str::to_owned)];
    match earlier {
        [] => {}
        [one] => rows.push(cells(&one.month, earlier)),
        [first, .., before] => rows.push(cells(&format!("{} to {}", first.month, before.month), earlier)),
    }
    rows.extend(
        last.iter()
            .map(|month| cells(&month.month, std::slice::from_ref(month))),
    );
    grid::show(
        [Side::Left, Side::Left, Side::Right, Side::Right, Side::Right],
        &rows,
        out,
    )
}

fn show_environment(environment: &Environment, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", one_line(&environment.environment))?;
    let log = match (&environment.first_created_on, &environment.last_created_on) {
        (Some(first), Some(last)) => format!(
            "{first} to {last}: {} access, {} control, {} change",
            HumanCount(environment.access_rows),
            HumanCount(environment.control_rows),
            HumanCount(environment.change_rows)
        ),
        _ => "no rows".to_owned(),
    };
    writeln!(out, "  log           {log}")?;
    if let Some(age_s) = environment.last_row_age_s {
        writeln!(out, "  last row      {}", age(age_s))?;
    }
    let by_name = match environment.actors_by_name_only {
        0 => String::new(),
        count => format!(", {} of them known by display name only", HumanCount(count)),
    };
    writeln!(out, "  actors        {}{by_name}", HumanCount(environment.actors))?;
    if let Some(users) = &environment.users {
        writeln!(out, "  users         {}", line_of_users(users))?;
    }
    if let Some(organization) = &environment.organization {
        writeln!(out, "  organization  {}", line_of_organization(organization))?;
    }
    let origin = match environment.audit_interval_is_from {
        Origin::Organization => "the organization's own",
        Origin::Default => "Dataverse's default",
    };
    writeln!(
        out,
        "  interval      {} h, {origin}",
        environment.audit_interval_s / 3600.0
    )?;
    for note in notes(environment) {
        writeln!(out, "  note: {note}")?;
    }
    if !environment.months.is_empty() {
        show_months(&environment.months, out)?;
    }
    writeln!(out)
}

fn line_of_users(users: &Users) -> String {
    format!(
        "{} known, {} disabled, {} deleted, {} never seen in the log; exported {}",
        HumanCount(users.known),
        HumanCount(users.disabled),
        HumanCount(users.deleted),
        HumanCount(users.never_seen),
        users.exported_on
    )
}

fn line_of_organization(organization: &Organization) -> String {
    let switch = |is_on: Option<bool>| match is_on {
        Some(true) => "on",
        Some(false) => "off",
        None => "not said",
    };
    let retention = match organization.audit_retention_period_days {
        Some(-1) => "forever".to_owned(),
        Some(days) => format!("{days} days"),
        None => "not said".to_owned(),
    };
    format!(
        "{}auditing {}, user access {}, retention {retention}; exported {}",
        organization
            .name
            .as_deref()
            .map_or(String::new(), |name| format!("{}: ", one_line(name))),
        switch(organization.is_audit_enabled),
        switch(organization.is_user_access_audit_enabled),
        organization.exported_on
    )
}

fn line_of_inputs(inputs: &Inputs) -> String {
    format!(
        "{} of {}: {} input{}, {} read = {} accepted + {} duplicate + {} rejected",
        inputs.form,
        inputs.table,
        HumanCount(inputs.inputs),
        if inputs.inputs == 1 { "" } else { "s" },
        HumanCount(inputs.books.read),
        HumanCount(inputs.books.accepted),
        HumanCount(inputs.books.duplicate),
        HumanCount(inputs.books.rejected)
    )
}

/// What is not known, and what would tell.
fn notes(environment: &Environment) -> Vec<&'static str> {
    let unknown = [
        (
            environment.actors_by_name_only > 0,
            "people known by display name only: two of one name count as one, a renamed one counts twice",
        ),
        (
            environment.access_rows == 0 && environment.first_created_on.is_some(),
            "no access rows: user access auditing was off, or the export leaves them out",
        ),
        (
            environment.users.is_none(),
            "no systemuser export: who never logged in, or is disabled, is not known",
        ),
        (
            environment.organization.is_none(),
            "no organization export: the audit interval and whether auditing is on now are not known",
        ),
    ];
    unknown
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, note)| note)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_largest_unit_of_which_there_are_two() {
        let told = [
            (-1, "ahead of this clock"),
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (119, "119 seconds ago"),
            (120, "2 minutes ago"),
            (7_199, "119 minutes ago"),
            (7_200, "2 hours ago"),
            (172_799, "47 hours ago"),
            (172_800, "2 days ago"),
        ];
        for (seconds, text) in told {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn the_last_twelve_months_are_shown_one_by_one_and_those_before_in_a_line() {
        let shown = |count: usize| {
            let month = |number| Month {
                month: format!("m{number:02}"),
                access_rows: 1,
                ..Month::default()
            };
            let mut text = Vec::new();
            show_months(&(0..count).map(month).collect::<Vec<_>>(), &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
            text.lines().skip(1).map(cells).collect::<Vec<_>>()
        };
        assert_eq!(shown(1), ["m00 1 0 0"]);
        assert_eq!((shown(12).len(), shown(12)[0].as_str()), (12, "m00 1 0 0"));
        assert_eq!((shown(13).len(), shown(13)[0].as_str()), (13, "m00 1 0 0"));
        assert_eq!((shown(15).len(), shown(15)[0].as_str()), (13, "m00 to m02 3 0 0"));
        assert_eq!(shown(15)[12], "m14 1 0 0");
    }
}
