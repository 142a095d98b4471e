//! What a container holds, and the throughput that is provisioned for it.

use std::collections::HashMap;

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::ThroughputProperties;
use azure_data_cosmos::options::ReadContainerOptions;

use crate::container::Container;
use crate::error::{Error, ErrorKind};
use crate::lazy_container::LazyContainer;

/// Asks the service to report the number and the size of the items with a definition of a container.
const POPULATE_QUOTA_INFO: &str = "x-ms-documentdb-populatequotainfo";
const BYTES_OF_KILOBYTE: u64 = 1024;

/// What a container holds, as the service counted it last: writes of the last moments may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of items.
    pub items: u64,
    /// The bytes of the items.
    pub item_bytes: u64,
    /// The bytes of the items and of their index.
    pub bytes: u64,
}

impl Usage {
    /// Reads `documentSize=0;documentsSize=5;documentsCount=17;collectionSize=6;…`, where sizes are in kilobytes.
    fn parse(header: &str) -> Option<Self> {
        let number = |name: &str| {
            let number = header.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
            number.parse::<u64>().ok()
        };
        let bytes = |name: &str| number(name).map_or(0, |kilobytes| kilobytes.saturating_mul(BYTES_OF_KILOBYTE));
        let items = number("documentsCount")?;
        Some(Self { items, item_bytes: bytes("documentsSize"), bytes: bytes("collectionSize") })
    }

    /// The mean size of an item; `None` without items, and where their size is not known.
    pub fn mean_item_bytes(&self) -> Option<u64> {
        self.item_bytes.checked_div(self.items).filter(|bytes| *bytes > 0)
    }
}

impl Container {
    /// What the container holds; `None` if the service does not say.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn usage(&self) -> Result<Option<Usage>, Error> {
        let failed = |error| Error::from_sdk(format!("reading container {}", self.name()), error);
        let mut options = ReadContainerOptions::default();
        options.operation.custom_headers =
            Some(HashMap::from([(HeaderName::from_static(POPULATE_QUOTA_INFO), HeaderValue::from_static("true"))]));
        let response = Box::pin(self.client.read(Some(options))).await.map_err(failed)?;
        Ok(response.headers().resource_usage().and_then(Usage::parse))
    }

    /// The number of its items; `None` if the service does not say.
    ///
    /// # Errors
    /// As the service answers.
    pub async fn count(&self) -> Result<Option<u64>, Error> {
        Ok(self.usage().await?.map(|usage| usage.items))
    }
}

impl LazyContainer {
    /// The throughput that is provisioned for the container, or else for its database, in request units a second: with autoscale, the
    /// maximum. `None` on a serverless account, and where this client may not read it: an identity may not.
    ///
    /// # Errors
    /// When the container does not exist, and as the service answers.
    pub async fn throughput(&self) -> Result<Option<u64>, Error> {
        let own = Box::pin(self.open().await?.client.read_throughput(None)).await;
        if let Some(throughput) = self.known_throughput(own)? {
            return Ok(Some(throughput));
        }
        let database = self.account().client().await?.sdk().database_client(self.database().to_owned());
        self.known_throughput(Box::pin(database.read_throughput(None)).await)
    }

    fn known_throughput(&self, read: Result<Option<ThroughputProperties>, CosmosError>) -> Result<Option<u64>, Error> {
        match read {
            Ok(throughput) => Ok(throughput.and_then(|read| read.autoscale_maximum().or(read.throughput()))),
            Err(error) => {
                let error = Error::from_sdk(format!("reading the throughput of container {}", self.name()), error);
                // A serverless account refuses the request as invalid.
                let is_unknown = matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid);
                if is_unknown { Ok(None) } else { Err(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_kilobytes_and_without_a_number_of_items_nothing_is_known() {
        let header = "functions=0;documentSize=0;documentsSize=5;documentsCount=17;collectionSize=6;";
        let usage = Usage::parse(header).expect("a usage");
        assert_eq!(usage, Usage { items: 17, item_bytes: 5120, bytes: 6144 });
        assert_eq!(usage.mean_item_bytes(), Some(301));
        assert_eq!(Usage::parse("documentSize=3;collectionSize=6;"), None);
        assert_eq!(Usage::parse("documentsCount=0;documentsSize=0;").and_then(|usage| usage.mean_item_bytes()), None);
    }
}
