//! The arguments of `changefeed local`.

use std::path::PathBuf;

use changefeed_processor::ChangeFeedMode;
use clap::Args;
use local_host::TimeZone;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  changefeed local --incident --open\n  changefeed local --populate 1000\n  changefeed local --data data --cosmos-only"
)]
pub struct LocalArguments {
    /// Port of the stand-in Functions host; 0: any free port
    #[arg(long, default_value_t = 7071)]
    pub host_port: u16,
    /// Port of the embedded Cosmos DB endpoint; 0: any free port
    #[arg(long, default_value_t = 8081)]
    pub cosmos_port: u16,
    /// Serve the control interface of the endpoint on this port; 0: any free port; default: not served
    #[arg(long, value_name = "PORT")]
    pub control_port: Option<u16>,
    /// Store the data of the endpoint in this folder; default: in memory, lost at the end
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Physical partitions of a new container; default: one for each 10,000 RU/s of its throughput
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub partitions: Option<u32>,
    /// Change feed mode of the capture; default: CHANGEFEED_MODE, or else AllVersionsAndDeletes
    #[arg(long)]
    pub mode: Option<ChangeFeedMode>,
    /// Write this many sample documents before reporting ready
    #[arg(long, value_name = "COUNT")]
    pub populate: Option<u64>,
    /// With --populate: seed of the documents; the same seed writes the same documents
    #[arg(long, requires = "populate")]
    pub seed: Option<u64>,
    /// Write sample documents with an incident in them: half an hour ago a release broke 400 of 520
    #[arg(long, conflicts_with = "populate")]
    pub incident: bool,
    /// Open the console in the browser
    #[arg(long)]
    pub open: bool,
    /// Run only the embedded Cosmos DB endpoint
    #[arg(long, conflicts_with_all = ["populate", "incident", "open", "require_keys", "mode", "host_port", "host_time_zone"])]
    pub cosmos_only: bool,
    /// Require function keys, as Azure does
    #[arg(long)]
    pub require_keys: bool,
    /// Require a signature with the account key from every client of the endpoint
    #[arg(long)]
    pub require_account_key: bool,
    /// Time zone of the stand-in host, for schedules and dates with an offset
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub host_time_zone: TimeZone,
    /// Folder with host.json and the functions
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub script_root: PathBuf,
}
