//! `changefeed backup`: creates, inspects and restores backups. Inspecting one needs no Cosmos DB.

mod arguments;
mod create;
mod inspect;
mod location;
mod restore;

use anyhow::Result;
use changefeed_history::backup::PlaceAccess;

pub use self::arguments::BackupCommand;
use super::exit_code::Exit;
use crate::config::{Settings, Source, locations};
use crate::jobs::host;
use crate::service::Service;

/// Creates, verifies, restores, lists or cancels backups.
pub async fn run(source: &Source, command: &BackupCommand) -> Result<Exit> {
    let service = || Settings::read(source).map(Service::of_command);
    let access = || locations(source).map(|locations| PlaceAccess { host: Some(host()), ..locations });
    match command {
        BackupCommand::Create(arguments) => create::run(&service()?, arguments).await,
        BackupCommand::Restore(arguments) => restore::run(&service()?, arguments).await,
        BackupCommand::Verify { location, output } => inspect::verify(&access()?, location, output.output).await,
        BackupCommand::List { location, output } => inspect::list(&access()?, location, output.output).await,
        BackupCommand::Cancel { id, output } => {
            let service = service()?;
            service.store.backup(id).await?;
            service.store.cancel_job(id).await?;
            create::print(&service.store.backup(id).await?, output.output)?;
            Ok(Exit::Done)
        }
    }
}
