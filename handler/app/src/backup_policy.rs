//! Looks at the backup policy, for the timer of the Functions host, for `changefeed process`, and for the command line.

use anyhow::Result;
use changefeed_cosmos::{Error, ErrorKind};
use changefeed_operations::{DeletesKnown, PolicyLook};

use crate::feed::Feed;
use crate::service::Service;

/// Notes how the last backup of the policy has ended, and starts the one that is due.
///
/// # Errors
/// When something cannot be read. The next look repeats everything.
pub async fn look(service: &Service) -> Result<PolicyLook> {
    Ok(service.changefeed.backup_policy.look(&deletes_known(service).await?).await?)
}

/// Whether every delete of the monitored container is captured now: an increment has the deletes from the history.
async fn deletes_known(service: &Service) -> Result<DeletesKnown> {
    let leases = async {
        let set = service.lease_set(Feed::CaptureAllVersions).await?;
        anyhow::Ok((set.mode().await?, set.gap().await?))
    };
    let no = |why: &str| Ok(DeletesKnown::No(why.to_owned()));
    match leases.await {
        Ok((Some(_), None)) => Ok(DeletesKnown::Yes),
        Ok((Some(_), Some(_))) => no("no lease covers a part of the container"),
        Ok((None, _)) => no("the capture is not in AllVersionsAndDeletes mode"),
        Err(error) if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound) => {
            no("there is no leases container")
        }
        Err(error) => Err(error),
    }
}
