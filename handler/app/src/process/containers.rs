//! Whether the containers of the service exist.

use anyhow::{Context, Result, bail};
use changefeed_cosmos::ErrorKind;
use changefeed_history::Role;
use tokio::time::Instant;

use crate::service::Service;

/// Checks that every container exists.
///
/// # Errors
/// Names a container that is missing or cannot be read.
pub async fn check_containers(service: &Service) -> Result<()> {
    let (containers, now) = (&service.changefeed.containers, Instant::now());
    for role in Role::ALL {
        let container = containers.of(role);
        let Err(error) = container.definition_since(now).await else { continue };
        let (database, name) = (container.database(), container.name());
        if error.kind() == ErrorKind::NotFound {
            bail!("container {database}/{name} does not exist; create it with `changefeed provision`");
        }
        return Err(error).with_context(|| format!("could not read container {name}"));
    }
    Ok(())
}
