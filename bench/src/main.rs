//! Measures how fast and at what cost batches of changes become stored records: this project's handler beside programs that a user would
//! write instead. Also measures reads of long histories, and `changefeed process`. `scripts/bench` installs what the peers need and runs it.

mod account;
mod batches;
mod capture;
mod charges;
mod floor;
mod instructions;
mod proc;
mod process;
mod reads;
mod sink;
mod stored;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Benchmarks of cosmos-changefeed.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Capture: batches of changes, delivered as the Functions host does, into a sink that answers writes at once or after a latency
    Capture(CaptureArguments),
    /// The request units for storing a version, by index policy and size, as the embedded endpoint charges them
    Charges {
        /// The executable `changefeed`
        #[arg(long = "changefeed", default_value = "target/release/changefeed")]
        executable: PathBuf,
    },
    /// Capture: the instructions for a version, as callgrind counts them
    Instructions {
        /// The executable `changefeed`
        #[arg(long = "changefeed", default_value = "target/release/changefeed")]
        executable: PathBuf,
        /// Documents with date-time strings, which the Functions host may rewrite
        #[arg(long)]
        dates: bool,
        /// Fail if the count differs from this one by more than a tenth
        #[arg(long)]
        recorded: Option<u64>,
    },
    /// Reads of documents with few and with many versions
    Reads {
        /// The executable `changefeed`
        #[arg(long = "changefeed", default_value = "target/release/changefeed")]
        executable: PathBuf,
        /// Versions of the document
        #[arg(long, value_delimiter = ',', default_value = "100,10000,300000")]
        versions: Vec<usize>,
        /// Requests of a measurement
        #[arg(long, default_value_t = 200)]
        requests: usize,
    },
    /// `changefeed process`: the time from a write to its version
    Lag {
        /// The executable `changefeed`
        #[arg(long = "changefeed", default_value = "target/release/changefeed")]
        executable: PathBuf,
        /// Writes
        #[arg(long, default_value_t = 300)]
        writes: usize,
        /// Milliseconds from one write to the next
        #[arg(long, default_value_t = 200)]
        interval: u64,
    },
    /// `changefeed process`: what it costs while nothing changes
    Idle {
        /// The executable `changefeed`
        #[arg(long = "changefeed", default_value = "target/release/changefeed")]
        executable: PathBuf,
        /// Leases, one for each physical partition
        #[arg(long, default_value_t = 64)]
        leases: u32,
        /// Seconds before the measurement
        #[arg(long, default_value_t = 60)]
        settle: u64,
        /// Seconds of the measurement
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// The least that a handler must do: parse a batch, write the records as JSON
    #[command(hide = true)]
    Floor {
        /// Write up to 100 records with a request
        #[arg(long)]
        bulk: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CaptureArguments {
    /// The executable `changefeed`; repeat it to compare several builds
    #[arg(long = "changefeed", default_value = "target/release/changefeed")]
    executables: Vec<PathBuf>,
    /// Folder with what the peers need, as scripts/bench makes it; without it only our handler and the floor are measured
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Milliseconds until the sink answers a write
    #[arg(long, value_delimiter = ',', default_value = "0,5")]
    latency: Vec<u64>,
    /// Batches that are delivered at a time
    #[arg(long, value_delimiter = ',', default_value = "4,1")]
    in_flight: Vec<usize>,
    /// Documents in a batch
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Bytes of a document
    #[arg(long, default_value_t = 1000)]
    bytes: usize,
    /// Documents with date-time strings, which the Functions host may rewrite
    #[arg(long)]
    dates: bool,
    /// Times that each subject is measured, in turns; the median is reported
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

impl CaptureArguments {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> Result<()> {
    actix_web::rt::System::new().block_on(async {
        match Arguments::parse().command {
            Command::Capture(arguments) => capture::run(&arguments).await,
            Command::Charges { executable } => charges::run(&executable).await,
            Command::Instructions { executable, dates, recorded } => {
                instructions::run(&executable, dates, recorded).await
            }
            Command::Reads { executable, versions, requests } => reads::run(&executable, &versions, requests).await,
            Command::Lag { executable, writes, interval } => {
                process::lag(&executable, writes, Duration::from_millis(interval)).await
            }
            Command::Idle { executable, leases, settle, seconds } => {
                let (settle, duration) = (Duration::from_secs(settle), Duration::from_secs(seconds));
                process::idle(&executable, leases, settle, duration).await
            }
            Command::Floor { bulk } => floor::run(bulk).await,
        }
    })
}
