//! The arguments of `changefeed process`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;

use changefeed_processor::ChangeFeedMode;
use clap::Args;

use crate::cli::start_from::StartFrom;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  changefeed process --health-port 9090\n  changefeed process --from beginning --print"
)]
pub struct ProcessArguments {
    /// Change feed mode: LatestVersion or AllVersionsAndDeletes; default: CHANGEFEED_MODE
    #[arg(long, value_parser = ChangeFeedMode::from_str)]
    pub mode: Option<ChangeFeedMode>,
    /// Where capture starts if no leases exist: now, beginning, or a time; default: beginning (AllVersionsAndDeletes: now)
    #[arg(long, allow_hyphen_values = true, value_parser = StartFrom::parse)]
    pub from: Option<StartFrom>,
    /// Name of this instance in the leases, unique per instance; default: a random name
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub instance: Option<String>,
    /// Serve /live, /ready and /metrics on this port; 0: any free port; default: not served
    #[arg(long, value_name = "PORT")]
    pub health_port: Option<u16>,
    /// Address of the health port; in a container use 0.0.0.0
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "health_port")]
    pub health_address: IpAddr,
    /// Print every captured change as a line of JSON
    #[arg(long)]
    pub print: bool,
    /// Maximum number of changes in a batch; default: the service's, 100
    #[arg(long)]
    pub max_items: Option<NonZeroU32>,
    /// Longest wait between polls [default: 5000]; after a change it grows from 80 ms
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub poll_delay_ms: Option<u64>,
    /// Interval for acquiring leases [default: 13000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_acquire_interval_ms: Option<u64>,
    /// Lease expiry time without renewal [default: 60000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_expiration_interval_ms: Option<u64>,
    /// Interval for renewing leases [default: 17000]
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub lease_renew_interval_ms: Option<u64>,
}
