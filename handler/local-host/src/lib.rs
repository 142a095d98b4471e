//! A stand-in for the Azure Functions host, for development and for contract tests of custom handlers.
//!
//! It reads host.json and the function.json files of an app, starts the custom handler as a child process, delivers
//! batches from the change feeds of Cosmos DB containers, runs timers, and proxies HTTP requests. It reproduces the real
//! host (version 4, Cosmos DB extension 4.x), including the behavior that a handler must cope with:
//!
//! * documents pass through Newtonsoft.Json, which rewrites dates and numbers,
//! * an invocation with an empty response hangs until the function timeout,
//! * a failed batch without a retry policy is skipped,
//! * the handler is killed without warning.
//!
//! ```no_run
//! use local_host::{Host, HostOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::start(HostOptions { script_root: ".".into(), port: 0, ..HostOptions::default() }).await?;
//! host.wait_until_ready().await?;
//! println!("{}", host.api_url());
//! host.stop().await;
//! # Ok(())
//! # }
//! ```

mod app;
mod cosmos_deliverer;
mod cosmos_listener;
mod error;
mod handler;
mod host;
mod http;
mod invocation;
mod newtonsoft;
mod options;
mod timer;
mod wire;

pub use error::{HostError, HostFailure};
pub use host::{Host, RunningHost};
pub use invocation::{Delivery, InvalidResponse, InvocationError, Position, Problem};
pub use newtonsoft::{TimeZone, UnknownTimeZone};
pub use options::{Framing, HandlerOutput, HostOptions, OutputLine};
