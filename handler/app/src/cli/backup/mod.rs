//! `changefeed backup`: creates, inspects and restores backups. Inspecting one needs no Cosmos DB.

mod arguments;
mod create;
mod inspect;
mod keep_arguments;
mod location;
mod policy;
mod prune;
mod rehearse;
mod restore;
mod summary;

use std::sync::Arc;

use anyhow::Result;
use changefeed_backup_format::LocationAccess;
use changefeed_operations::BACKUP;

pub use self::arguments::BackupCommand;
pub use self::location::{absolute, open_location};
use super::exit_code::Exit;
use crate::config::{RawSettings, locations};
use crate::jobs::host;
use crate::service::Service;

/// Creates, verifies, restores, lists or cancels backups. `service` is that of the chosen source; commands on files need none.
pub async fn run(
    raw: &RawSettings,
    service: impl Fn() -> Result<Arc<Service>>,
    command: &BackupCommand,
) -> Result<Exit> {
    let access = || locations(raw).map(|locations| LocationAccess { host: Some(host()), ..locations });
    match command {
        BackupCommand::Create(arguments) => create::run(&*service()?, arguments).await,
        BackupCommand::Restore(arguments) => restore::run(&*service()?, arguments).await,
        BackupCommand::Verify { location, output } => inspect::verify(&access()?, location, output.output).await,
        BackupCommand::List { location, output } => inspect::list(&access()?, location, output.format).await,
        BackupCommand::Prune(arguments) => prune::run(&*service()?, arguments).await,
        BackupCommand::Rehearse(arguments) => Box::pin(rehearse::run(&*service()?, arguments)).await,
        BackupCommand::Policy(command) => policy::run(&*service()?, command).await,
        BackupCommand::Cancel { id, output } => {
            let service = service()?;
            service.changefeed.backups.show(id).await?;
            service.changefeed.jobs.cancel(BACKUP, id).await?;
            summary::print(&service.changefeed.backups.show(id).await?, output.output)?;
            Ok(Exit::Done)
        }
    }
}
