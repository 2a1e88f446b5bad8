//! What may be typed to compact a lake.

use super::{LakeArg, WaitArg};
use clap::Args;
use gatelog::lake::compact::Compact;
use gatelog::lake::lock::Owner;

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
