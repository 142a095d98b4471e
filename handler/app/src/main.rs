//! `changefeed`: stores every version of every document of an Azure Cosmos DB container.

mod backup_policy;
mod capture_lag;
mod cli;
mod config;
mod console;
mod description;
mod feed;
mod functions;
mod http;
mod jobs;
mod memory;
mod metrics;
mod panics;
mod process;
mod routes;
mod server;
mod service;
mod shapes;
mod sources;
mod stalled;
mod status;
mod telemetry;

fn main() -> std::process::ExitCode {
    // First, because pages that are in use already stay as they are.
    memory::use_small_pages();
    panics::end_the_process();
    cli::run()
}
