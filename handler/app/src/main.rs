//! `changefeed`: keeps every version of every document of an Azure Cosmos DB container.

mod cli;
mod config;
mod feed;
mod functions;
mod http;
mod jobs;
mod process;
mod service;

fn main() -> std::process::ExitCode {
    cli::run()
}
