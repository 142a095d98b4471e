//! How an endpoint is started.

use std::path::PathBuf;
use std::time::Duration;

/// How to start an [`Endpoint`](crate::Endpoint).
#[derive(Clone, Debug)]
pub struct Options {
    /// The loopback port to listen on; 0 for any free port.
    pub port: u16,
    /// Whether every request must be signed with [`EMULATOR_KEY`](crate::EMULATOR_KEY). A request with another signature is refused in any case.
    pub require_key: bool,
    /// The retention window of the change feed's AllVersionsAndDeletes mode. By default 7 days, as with the service's cheapest
    /// tier of continuous backup.
    pub change_feed_retention: Duration,
    /// Whether the change feed's AllVersionsAndDeletes mode includes the replaced or deleted item.
    /// [`Endpoint::keep_previous_images`](crate::Endpoint::keep_previous_images) changes this for a container.
    pub previous_images: bool,
    /// The physical partitions of a new container. By default one for each 10,000 request units a second of its throughput.
    pub partitions: Option<u32>,
    /// The folder in which all data is stored, so that it survives a restart. `None`: in memory, and lost when the endpoint ends.
    pub data: Option<PathBuf>,
    /// Whether a query that filters or sorts by a path without an index is answered with 400. The service executes such a
    /// filter as a scan of all items; a test that wants to know switches this on.
    pub refuse_unindexed_queries: bool,
    /// Whether the account says that several of its regions take writes. It has one region in any case.
    pub several_write_regions: bool,
    /// Further regions that the account says it can be read from, by name and URL: other endpoints. Nothing is replicated to them.
    pub further_regions: Vec<(String, String)>,
    /// The loopback port of the control interface; 0 for any free port, `None` for no control interface.
    pub control_port: Option<u16>,
}

impl Default for Options {
    fn default() -> Self {
        let change_feed_retention = Duration::from_secs(7 * 24 * 60 * 60);
        Self {
            port: 0,
            require_key: false,
            change_feed_retention,
            previous_images: false,
            partitions: None,
            data: None,
            refuse_unindexed_queries: false,
            several_write_regions: false,
            further_regions: Vec::new(),
            control_port: None,
        }
    }
}
