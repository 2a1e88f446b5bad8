//! The command line of a lake's daily life: what it knows, who wrote it, whether it is whole.

use super::LakeArg;
use clap::Args;
use gatelog::lake::compact::Compact;
use gatelog::lake::lock::Owner;
use gatelog::report::options;
use std::time::Duration;

#[derive(Args)]
pub struct WaitArg {
    /// Wait for another run to end, so long at most, like 90s or 10m [default without a DURATION: 10m].
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10m", value_parser = wait)]
    wait: Option<Duration>,
}

impl WaitArg {
    /// Zero is not to wait.
    pub fn patience(&self) -> Duration {
        self.wait.unwrap_or_default()
    }
}

#[derive(Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub lake: LakeArg,
    /// Only this environment.
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct RunsArgs {
    #[command(flatten)]
    pub lake: LakeArg,
    /// Only the last N runs.
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
    /// Print them as JSON, with the inputs that each brought.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub lake: LakeArg,
    /// Print findings, notes and what was checked as JSON.
    #[arg(long)]
    pub json: bool,
}

fn wait(text: &str) -> std::result::Result<Duration, String> {
    let micros = options::parse_duration(text).ok();
    let known = micros.and_then(|micros| u64::try_from(micros).ok().map(Duration::from_micros));
    known.ok_or_else(|| "write it like 90s, 10m or 2h; before a PATH write --wait=10m".to_owned())
}

#[derive(Args)]
pub struct CompactArgs {
    #[command(flatten)]
    lake: LakeArg,
    #[command(flatten)]
    pub wait: WaitArg,
    /// About how much memory to take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    memory: u32,
    /// Print what was done as JSON.
    #[arg(long)]
    pub json: bool,
}

impl CompactArgs {
    /// `owner` names the process for the lake's lock, `clock` tells micros since 1970.
    pub fn plan(&self, owner: Owner, clock: fn() -> i64) -> Compact {
        Compact {
            owner,
            clock,
            memory_bytes: (self.memory as usize) << 20,
            ..Compact::new(self.lake.lake.clone())
        }
    }
}
