//! `changefeed`: stores every version of every document of an Azure Cosmos DB container.

mod cli;
mod config;
mod feed;
mod functions;
mod http;
mod jobs;
mod payload;
mod process;
mod routes;
mod server;
mod service;
mod stalled;
mod status;

/// Returns the memory of a large batch to the system within seconds. The allocator of glibc keeps more than 100 MB of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
