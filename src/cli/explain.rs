//! The command line of `gatelog explain`.

use super::{LakeArg, RuleOptions};
use clap::Args;
use gatelog::error::Result;
use gatelog::report::explain::Asked;
use gatelog::report::options::Options;

#[derive(Args)]
pub struct ExplainArgs {
    /// Who: an id, or a name that only one has.
    #[arg(value_name = "ACTOR")]
    actor: String,
    #[command(flatten)]
    pub lake: LakeArg,
    /// Explain what is known of them at this time: the session it lies in, or what their silence proves.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    rules: RuleOptions,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

impl ExplainArgs {
    pub fn plan(&self) -> Result<(Asked, Options)> {
        let asked = Asked {
            actor: self.actor.clone(),
            at: self.rules.instant(&self.at)?,
        };
        Ok((asked, self.rules.options()?))
    }
}
