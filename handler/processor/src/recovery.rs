//! What a running instance does when a container was deleted and created again, or when leases were deleted.
//!
//! The lease ids contain the resource ids of the database and of the monitored container. A container that is created again
//! under the same name has another id, and numbers its changes from the start: the old continuation tokens would skip them. So
//! the instance uses new leases, which start where it is configured to start.
//!
//! Nothing is created on the word of one query. A gap counts when two passes find it, and the leases are listed again under
//! the lock before one is created.

use std::sync::Arc;

use changefeed_cosmos::Error;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::create_vanished;
use crate::coverage::gap;
use crate::coverage_check::CoverageCheck;
use crate::health::ProcessingError;
use crate::instance::Instance;
use crate::lease::Lease;

/// The instance on the containers that have the names of its containers now. `None` if they are the same.
pub(crate) async fn on_recreated_containers(instance: &Arc<Instance>) -> Result<Option<Instance>, Error> {
    let monitored = instance.monitored.reopened().await?;
    let leases = instance.leases.container().reopened().await?;
    let pairs = [(&instance.monitored, &monitored), (instance.leases.container(), &leases)];
    let recreated: Vec<&str> =
        pairs.iter().filter(|(before, now)| !before.is_same(now)).map(|(_, now)| now.name()).collect();
    if recreated.is_empty() {
        return Ok(None);
    }
    let start = instance.settings.start_from;
    for name in recreated {
        let next_step = format!("; new leases start from {start}");
        instance.notifications.error(None, &ProcessingError::Recreated(name.to_owned()), &next_step);
    }
    let leases = instance.leases.reopened(&monitored, leases)?;
    Ok(Some(instance.on(monitored, leases)))
}

/// Lists the leases, after it has created those that were deleted.
pub(crate) async fn leases_without_gap(
    instance: &Instance,
    check: &mut CoverageCheck,
    stop: &CancellationToken,
) -> Result<Vec<Lease>, Error> {
    let settings = &instance.settings;
    let all = instance.leases.all().await?;
    let reported = check.observe(gap(&all));
    if let Some(gap) = reported {
        let next_step = if settings.recreates_leases {
            format!("; creating the missing leases, which start from {}", settings.start_from)
        } else {
            "; create the missing leases again".to_owned()
        };
        instance.notifications.error(None, &ProcessingError::Gap(gap), &next_step);
    }
    if !check.is_confirmed() || !settings.recreates_leases {
        return Ok(all);
    }
    // It may wait for another instance.
    tokio::select! {
        biased;
        created = create_vanished(&instance.monitored, &instance.leases, settings.start_from, settings.mode) => created?,
        () = stop.cancelled() => {}
    }
    instance.leases.all().await
}
