//! An instance that behaves like a separate process: it has its own thread, connections and timers, and can be killed or
//! paused as a whole.

use std::time::Duration;

use changefeed_processor::{ChangeFeedProcessor, Container, Error, ProcessorBuilder, RunningProcessor, connect};
use tokio::runtime::{Builder, Runtime};

pub struct Isolated {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    running: Option<RunningProcessor>,
}

impl Isolated {
    /// Starts an instance of the processor `p` on the shop's containers.
    pub async fn start(
        connection_string: String,
        build: impl FnOnce(ProcessorBuilder) -> ChangeFeedProcessor + Send + 'static,
    ) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let starting = runtime.spawn(async move {
            let client = connect(&connection_string).await?;
            let monitored = Container::open(&client, "acme-webstore", "cart").await?;
            let leases = Container::open(&client, "acme-webstore", "lease").await?;
            build(ChangeFeedProcessor::builder("p", monitored, leases)).start().await
        });
        let mut isolated = Self { runtime: Some(runtime), running: None };
        isolated.running = Some(starting.await.expect("no panic")?);
        Ok(isolated)
    }

    /// Stops like a process on SIGTERM.
    pub async fn stop(mut self) {
        let (Some(running), Some(runtime)) = (self.running.take(), &self.runtime) else { return };
        runtime.spawn(running.stop()).await.expect("no panic");
    }

    /// Ends like a process on SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    /// Blocks its only thread, and with it timers and renewals.
    pub fn pause(&self, duration: Duration) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move { std::thread::sleep(duration) });
        }
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // Its task has ended, so there is nothing to stop.
        drop(self.running.take());
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        self.end();
    }
}
