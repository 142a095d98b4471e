//! Slices of jobs, for whatever brings the changes of the jobs container.

use std::collections::BTreeSet;

use changefeed_history::{Error, SliceEnd, Store};
use futures::FutureExt;

/// The name of this machine.
pub fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// The name of this process in claims.
pub fn runner() -> String {
    format!("{}:{}", host(), std::process::id())
}

/// Works on these jobs, side by side, for a slice each or until `stop`. What is said of them.
///
/// # Errors
/// The first failure, after the others have ended: the jobs must be brought again.
pub async fn run_jobs(
    store: &Store,
    ids: BTreeSet<String>,
    stop: impl Future<Output = ()> + Send,
) -> Result<Vec<String>, Error> {
    let runner = runner();
    let stop = stop.shared();
    let slice = |id: String| {
        let (runner, stop) = (&runner, stop.clone());
        async move {
            let until = async move {
                tokio::select! {
                    () = tokio::time::sleep(store.slice_duration()) => {}
                    () = stop => {}
                }
            };
            let end = store.run_slice(&id, runner, until).await?;
            Ok(match end {
                SliceEnd::Ended(state) => format!("job {id}: {}", format!("{state:?}").to_lowercase()),
                SliceEnd::More => format!("job {id}: there is more to do"),
                SliceEnd::Busy => format!("job {id}: somebody else works on it"),
                SliceEnd::NoJob => format!("job {id}: there is none"),
            })
        }
    };
    let ends: Vec<Result<String, Error>> = futures::future::join_all(ids.into_iter().map(slice)).await;
    ends.into_iter().collect()
}
