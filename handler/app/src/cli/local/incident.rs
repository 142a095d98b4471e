//! Sample data with an incident in it, for the first look at the console and for its tests.
//!
//! Three days ago 520 documents were imported, by the actor `import`. Every two minutes of the last hour the actor `sync` edits some of the
//! others. In the nine minutes from 30 minutes ago on, the actor `release-42` writes the names of the first 400 cities in capital letters. Ten
//! minutes ago users add a phone number to 12 of these documents, and correct the name in two of them.
//!
//! Everything but the present time is the same each time. The clock of the endpoint is moved for that.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result};
use changefeed_cosmos::{Container, Key};
use changefeed_history::Role;
use changefeed_operations::sample_documents;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use local_cosmos::Endpoint;
use serde_json::{Map, Value, json};

use crate::feed::Feed;
use crate::service::Service;
use crate::status::lags;

/// The number of documents that were imported.
const IMPORTED: usize = 520;
/// The number of documents that the release changed, and how many of them in each of its minutes.
const RELEASED: usize = 400;
const RELEASED_BY_MINUTE: [usize; 9] = [52, 71, 66, 60, 48, 41, 33, 21, 8];
/// The number of documents that users edited after the release, and how many of them with a correction.
const EDITED: usize = 12;
const CORRECTED: usize = 2;

const IMPORT_SECONDS_AGO: i64 = 3 * 86_400;
const FIRST_SYNC_MINUTE: i64 = 58;
const RELEASE_MINUTE: i64 = 30;
const EDIT_MINUTE: i64 = 10;

const CONCURRENT_WRITES: usize = 8;
const CAPTURE_POLL: Duration = Duration::from_millis(50);

/// Writes the sample data with the incident, unless the container has documents. Returns whether it wrote them. `report` gets the number of
/// documents that are written, of [`writes`].
///
/// # Errors
/// When a write fails. The clock of the endpoint is right again in any case.
pub async fn play(endpoint: &Endpoint, service: &Service, report: &(dyn Fn() + Sync)) -> Result<bool> {
    let container = service.changefeed.containers.of(Role::Monitored).open().await?;
    let found = container.query("SELECT TOP 1 c.id FROM c", &Map::new(), None, NonZeroU32::MIN, None).await?;
    if !found.items.is_empty() {
        return Ok(false);
    }
    let start = Utc::now().timestamp();
    // A whole minute, so that each minute of the release is a minute of the clock.
    let incident = Incident { endpoint, service, container, now: start - start % 60, report };
    let played = Box::pin(incident.play()).await;
    endpoint.set_clock(0).context("setting the clock of the endpoint")?;
    played?;
    incident.until_captured().await?;
    Ok(true)
}

/// The number of documents that the incident writes.
pub fn writes() -> u64 {
    let synced: usize = sync_minutes().map(synced).sum();
    (IMPORTED + synced + RELEASED + EDITED) as u64
}

fn sync_minutes() -> impl Iterator<Item = i64> {
    (1..=FIRST_SYNC_MINUTE / 2).rev().map(|half| half * 2)
}

/// The number of documents that are edited in a minute.
fn synced(minute: i64) -> usize {
    2 + (minute as usize * 7) % 4
}

struct Incident<'i> {
    endpoint: &'i Endpoint,
    service: &'i Service,
    container: Container,
    now: i64,
    report: &'i (dyn Fn() + Sync),
}

impl Incident<'_> {
    async fn play(&self) -> Result<()> {
        let imported_at = self.now - IMPORT_SECONDS_AGO;
        let mut imported = sample_documents(DateTime::from_timestamp(imported_at, 0).unwrap_or_default())?;
        imported.truncate(IMPORTED);
        for document in &mut imported {
            document["updatedBy"] = json!("import");
        }
        self.write(IMPORT_SECONDS_AGO, &imported).await?;
        // The feed has only the newest version of a document, so each is captured before the next one is written.
        self.until_captured().await?;
        let mut others = imported[RELEASED..].iter();
        for minute in sync_minutes() {
            let documents = others.by_ref().take(synced(minute)).map(|document| sync(document, minute));
            self.write(minute * 60 + 7, &documents.collect::<Vec<_>>()).await?;
            match minute {
                RELEASE_MINUTE => self.release(&imported[..RELEASED]).await?,
                EDIT_MINUTE => self.edit(&imported[..EDITED]).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn release(&self, documents: &[Value]) -> Result<()> {
        let mut left = documents;
        for (minute, count) in RELEASED_BY_MINUTE.into_iter().enumerate() {
            let (now, later) = left.split_at(count);
            let seconds = (RELEASE_MINUTE - 1 - minute as i64) * 60 + 20;
            self.write(seconds, &now.iter().map(release).collect::<Vec<_>>()).await?;
            left = later;
        }
        self.until_captured().await
    }

    async fn edit(&self, documents: &[Value]) -> Result<()> {
        let edited: Vec<Value> =
            documents.iter().enumerate().map(|(number, document)| edit(number, document)).collect();
        self.write(EDIT_MINUTE * 60 + 7, &edited).await
    }

    /// Writes documents at so many seconds before the time of the incident.
    async fn write(&self, seconds_ago: i64, documents: &[Value]) -> Result<()> {
        let offset = self.now - seconds_ago - Utc::now().timestamp();
        self.endpoint.set_clock(offset).context("setting the clock of the endpoint")?;
        let writes = documents.iter().map(async |document| {
            let key = Key::of(document, self.container.key_paths())?;
            let id = document["id"].as_str().unwrap_or_default();
            self.container.upsert(&key, id, document).await?;
            (self.report)();
            anyhow::Ok(())
        });
        stream::iter(writes).buffer_unordered(CONCURRENT_WRITES).try_collect().await
    }

    /// Waits until the history has the newest version of every document.
    async fn until_captured(&self) -> Result<()> {
        loop {
            for feed in Feed::CAPTURED {
                let leases = lags(self.service, feed).await?;
                if !leases.is_empty() && leases.iter().all(|lease| lease.lag == Some(0)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(CAPTURE_POLL).await;
        }
    }
}

fn sync(imported: &Value, minute: i64) -> Value {
    let mut document = imported.clone();
    document["seq"] = json!(1000 + minute);
    document["updatedBy"] = json!("sync");
    document
}

fn release(imported: &Value) -> Value {
    let mut document = imported.clone();
    document["city_name"] = json!(document["city_name"].as_str().unwrap_or_default().to_uppercase());
    document["updatedBy"] = json!("release-42");
    document
}

fn edit(number: usize, imported: &Value) -> Value {
    let mut document = release(imported);
    if number < CORRECTED {
        document["city_name"] = json!(format!("{}, by hand", imported["city_name"].as_str().unwrap_or_default()));
    }
    document["phone"] = json!("555-0100");
    document["updatedBy"] = json!("user");
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_incident_fit_together() {
        assert_eq!(RELEASED_BY_MINUTE.iter().sum::<usize>(), RELEASED);
        let synced: usize = sync_minutes().map(synced).sum();
        assert!(RELEASED + synced <= IMPORTED, "{synced} documents that the release leaves alone");
        assert_eq!((sync_minutes().next(), sync_minutes().last()), (Some(58), Some(2)));
        assert!(
            sync_minutes().any(|minute| minute == RELEASE_MINUTE) && sync_minutes().any(|minute| minute == EDIT_MINUTE)
        );
    }
}
