//! The definition of a container, and whether it must be read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::models::{ContainerProperties, PropertyPath, TimeToLive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::error::Error;
use crate::key_path::KeyPath;

/// Reads the definition of a container. `action` says what for.
///
/// It is boxed, and reads a `Value` first, because the code that reads the properties of the SDK is large: each crate, and each form of JSON,
/// would have its own.
pub(crate) fn read_properties<'c>(
    client: &'c ContainerClient,
    action: &'c str,
) -> BoxFuture<'c, Result<ContainerProperties, Error>> {
    async move {
        let read = client.read(None).await.and_then(|response| response.into_body().into_single::<Value>());
        let properties = read.map_err(|error| Error::from_sdk(action.to_owned(), error))?;
        serde_json::from_value(properties).map_err(|error| Error::corrupt(action.to_owned(), error))
    }
    .boxed()
}

/// The parts of a container's definition that this program uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The paths of the partition key, one for each component.
    pub key_paths: Vec<KeyPath>,
    /// The time to live of items without one of their own, in seconds: -1 is forever, `None` where time to live is off.
    pub default_ttl: Option<i64>,
    /// The unique keys, each as its paths. Within a partition key value, no two items have the same values at all paths of one.
    pub unique_keys: Vec<Vec<KeyPath>>,
    /// What is indexed.
    pub index: Indexes,
    /// The resource id: a container that is deleted and created again under the same name has another one.
    pub resource_id: String,
    /// `dbs/<resource id of the database>/colls/<resource id>/`.
    pub self_link: String,
}

/// The paths of an index policy, as the service sends them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Indexes {
    /// Whether the scalar values of a property of the items themselves are indexed: the policy's most exact path for it decides.
    pub fn has_property(&self, name: &str) -> bool {
        let written = [name.to_owned(), format!("\"{name}\"")];
        let forms = [("/", "/?"), ("/", "/*")]
            .map(|(before, after)| written.clone().map(|name| [before, &name, after].concat()));
        let paths = forms.into_iter().flatten().chain(["/*".to_owned()]);
        paths.into_iter().find_map(|path| self.decides(&path)).unwrap_or(false)
    }

    /// Whether the values at a path are indexed; `None` if the policy does not name it.
    fn decides(&self, path: &str) -> Option<bool> {
        let is_in = |paths: &[String]| paths.iter().any(|other| other == path);
        if is_in(&self.included) { Some(true) } else { is_in(&self.excluded).then_some(false) }
    }

    /// Those of the paths that the policy does not name, unless it includes everything.
    pub(crate) fn missing<'p>(&self, paths: &'p [String]) -> Vec<&'p String> {
        let is_missing = |path: &&String| self.decides(path).is_none_or(|is_included| !is_included);
        if self.decides("/*") == Some(true) { Vec::new() } else { paths.iter().filter(is_missing).collect() }
    }

    pub(crate) fn of(properties: &ContainerProperties) -> Self {
        // Without a policy, the service indexes everything.
        let Some(policy) = &properties.indexing_policy else {
            return Self { included: vec!["/*".to_owned()], excluded: Vec::new() };
        };
        let paths = |paths: &[PropertyPath]| paths.iter().map(|path| path.path.to_string()).collect();
        Self { included: paths(&policy.included_paths), excluded: paths(&policy.excluded_paths) }
    }
}

impl Definition {
    /// Whether a document with this resource id is in the container. True where an id cannot be read.
    ///
    /// The first four bytes of a resource id name the database, the next four the container.
    pub fn has_document(&self, resource_id: &str) -> bool {
        let container = |text: &str| Some(STANDARD.decode(text.replace('-', "/")).ok()?.get(..8)?.to_vec());
        match (container(&self.resource_id), container(resource_id)) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }

    /// Whether both are of one container, whatever name it was opened by. False where the service sent no resource id.
    pub fn is_same_container(&self, other: &Self) -> bool {
        !self.resource_id.is_empty() && self.resource_id == other.resource_id
    }

    pub(crate) fn of(properties: &ContainerProperties) -> Result<Self, Error> {
        let failed =
            |message| Error::corrupt(format!("reading the definition of container {}", properties.id), message);
        let unique_keys = properties.unique_key_policy.iter().flat_map(|policy| &policy.unique_keys);
        let unique_keys = unique_keys.map(|key| parse(key.paths.iter())).collect::<Result<_, _>>();
        Ok(Self {
            key_paths: parse(properties.partition_key.paths().iter()).map_err(failed)?,
            default_ttl: match properties.default_ttl {
                TimeToLive::NoDefault => Some(-1),
                TimeToLive::Seconds(seconds) => Some(i64::from(seconds)),
                _ => None,
            },
            unique_keys: unique_keys.map_err(failed)?,
            index: Indexes::of(properties),
            resource_id: properties.system_properties.resource_id.clone().unwrap_or_default(),
            self_link: properties.system_properties.self_link.clone().unwrap_or_default(),
        })
    }
}

fn parse(paths: impl Iterator<Item = impl AsRef<str>>) -> Result<Vec<KeyPath>, String> {
    paths.map(|path| path.as_ref().parse()).collect()
}

/// Whether the definition must be read before it is used again. Every container that was opened with it shares the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staleness(Arc<AtomicBool>);

impl Staleness {
    pub(crate) fn report(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_reported(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_belongs_to_the_container_that_its_resource_id_starts_with() {
        let definition = |resource_id: &str| Definition {
            key_paths: vec![KeyPath::property("pk")],
            default_ttl: None,
            unique_keys: Vec::new(),
            index: Indexes::default(),
            resource_id: resource_id.to_owned(),
            self_link: String::new(),
        };
        assert!(definition("AAECAwQFBgc=").has_document("AAECAwQFBgcICQoLDA0ODw=="));
        assert!(!definition("AAECAwQFBgc=").has_document("AAECA-QFBgcICQoLDA0ODw=="));
        assert!(
            definition("").has_document("AAECAwQFBgcICQoLDA0ODw==") && definition("AAECAwQFBgc=").has_document("r")
        );
    }

    #[test]
    fn the_most_exact_path_of_a_policy_decides_whether_a_property_is_indexed() {
        let indexes = |included: &[&str], excluded: &[&str]| {
            let owned = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
            Indexes { included: owned(included), excluded: owned(excluded) }
        };
        assert!(indexes(&["/*"], &[]).has_property("actor"));
        assert!(indexes(&["/\"actor\"/?"], &["/*"]).has_property("actor"));
        assert!(!indexes(&["/*"], &["/actor/?"]).has_property("actor"));
        assert!(!indexes(&["/actors/?", "/actor/name/?"], &["/*"]).has_property("actor"));
        assert!(!indexes(&[], &[]).has_property("actor"));
        let paths = ["/a/?".to_owned(), "/b/?".to_owned()];
        assert_eq!(indexes(&["/a/?"], &["/*"]).missing(&paths), [&paths[1]]);
        assert!(indexes(&["/*"], &["/a/?"]).missing(&paths).is_empty());
    }
}
