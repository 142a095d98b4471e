//! A stand-in for the Azure Functions host, for development and for contract tests of custom handlers.
//!
//! It reads host.json and every function.json of an app, starts the custom handler as a child process, polls Cosmos DB
//! containers and posts the batches to the handler, runs timers, and passes HTTP requests through to it. It does so as the real host
//! (version 4, Cosmos DB extension 4.x) does, where that is well meant and where it is not: documents lose what a round
//! trip through Newtonsoft.Json loses, an empty answer hangs until the function timeout, a failed batch without a retry
//! policy is skipped, and the handler is killed without a warning.
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
mod error;
mod handler;
mod host;
mod http;
mod invocation;
mod newtonsoft;
mod options;
mod port;
mod timer;
mod trigger;
mod version;

pub use error::{HostError, HostFailure};
pub use host::{Host, RunningHost};
pub use invocation::{Delivery, InvocationError};
pub use options::{Framing, HandlerOutput, HostOptions, OutputLine};
