//! Queries over a container: all of its items, those of a partition key value, or those of a range.

use std::num::NonZeroU32;

use azure_data_cosmos::Query;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope};
use azure_data_cosmos::options::{FeedOptions, MaxItemCountHint, QueryOptions};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::container::{Container, charge};
use crate::error::Error;
use crate::key::Key;
use crate::key_path::display_key_paths;
use crate::key_range::KeyRange;
use crate::limits::MAX_FAN_OUT;

/// A page of a query.
#[derive(Debug)]
pub struct Page {
    /// The selected items.
    pub items: Vec<Value>,
    /// Where the next page starts; absent after the last page.
    pub continuation: Option<String>,
    /// Request units.
    pub request_charge: f64,
}

impl Container {
    /// Every item that a query selects, over one partition key value or over all. The service decides how many items a
    /// page has, so a caller that stops early has read a whole page.
    ///
    /// # Errors
    /// When the key does not match the container's key paths, and as the service answers.
    pub async fn select<T: DeserializeOwned + Send + 'static>(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
    ) -> Result<BoxStream<'static, Result<T, Error>>, Error> {
        self.select_pages(text, parameters, key, None).await
    }

    /// The first items that a query selects: pages have at most `page_items`, so that a caller that needs a few reads a few.
    ///
    /// # Errors
    /// When the key does not match the container's key paths, and as the service answers.
    pub async fn select_few<T: DeserializeOwned + Send + 'static>(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
        page_items: usize,
    ) -> Result<BoxStream<'static, Result<T, Error>>, Error> {
        let page_items = u32::try_from(page_items).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        self.select_pages(text, parameters, key, Some(page_items)).await
    }

    async fn select_pages<T: DeserializeOwned + Send + 'static>(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
        page_items: Option<NonZeroU32>,
    ) -> Result<BoxStream<'static, Result<T, Error>>, Error> {
        let container = self.clone();
        let failed = move |error| container.query_failed(error);
        let (query, scope) = self.prepared(text, parameters, key)?;
        let options = self.query_options(page_items);
        let pages =
            Box::pin(self.client.query_items::<T>(query, scope, Some(options))).await.map_err(&failed)?.into_pages();
        let meter = self.meter.clone();
        let items = pages.map(move |page| {
            let page = page.map_err(&failed)?;
            meter.add(charge(page.headers()));
            Ok(futures::stream::iter(page.into_items().into_iter().map(Ok)))
        });
        Ok(items.try_flatten().boxed())
    }

    /// One page of a query, over one partition key value or over all.
    ///
    /// # Errors
    /// When the key or the continuation is not of this container, and as the service answers.
    pub async fn query(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let (query, scope) = self.prepared(text, parameters, key)?;
        self.page(query, scope, max_items, continuation).await
    }

    /// One page of a query over a range. A query without an order resumes from a continuation at the same place, whatever
    /// was written since.
    ///
    /// # Errors
    /// When the continuation is not of this container, and as the service answers.
    pub async fn query_range(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        range: &KeyRange,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let (query, _) = self.prepared(text, parameters, None)?;
        self.page(query, FeedScope::range(range.to_sdk()?), max_items, continuation).await
    }

    async fn page(
        &self,
        query: Query,
        scope: FeedScope,
        max_items: NonZeroU32,
        continuation: Option<&str>,
    ) -> Result<Page, Error> {
        let failed = |error| self.query_failed(error);
        let mut options = self.query_options(Some(max_items));
        if let Some(token) = continuation {
            if decoded(token).is_none_or(|token| token["op"] != "Query") {
                return Err(Error::invalid(
                    format!("querying container {}", self.name),
                    "the continuation is not one of a query; use the one of the page before",
                ));
            }
            options = options.with_continuation_token(ContinuationToken::from_string(token.to_owned()));
        }
        let items = Box::pin(self.client.query_items::<Value>(query, scope, Some(options))).await.map_err(failed)?;
        let mut pages = items.into_pages();
        let Some(page) = pages.next().await.transpose().map_err(failed)? else {
            return Ok(Page { items: Vec::new(), continuation: None, request_charge: 0.0 });
        };
        let request_charge = self.charge(page.headers());
        let continuation = pages.to_continuation_token().ok().filter(|token| !is_drained(token));
        let continuation = continuation.map(|token| token.as_str().to_owned());
        Ok(Page { items: page.into_items(), continuation, request_charge })
    }

    fn prepared(
        &self,
        text: &str,
        parameters: &Map<String, Value>,
        key: Option<&Key>,
    ) -> Result<(Query, FeedScope), Error> {
        if let Some(key) = key
            && !(1..=self.key_paths().len()).contains(&key.components().len())
        {
            let (found, paths) = (key.components().len(), self.key_paths());
            let message = format!(
                "partition key {key} has {found} components; the container has {}: {}",
                paths.len(),
                display_key_paths(paths)
            );
            return Err(Error::invalid(format!("querying container {}", self.name), message));
        }
        query_depth::check(text)
            .map_err(|error| Error::invalid(format!("querying container {}", self.name), error.to_string()))?;
        let mut query = Query::from(self.scope.query(text)?.into_owned());
        for (name, value) in parameters {
            query = query.with_parameter(name.clone(), value).map_err(|error| self.query_failed(error))?;
        }
        let scope = match key {
            Some(key) => FeedScope::partition(key.to_sdk()?),
            None => FeedScope::full_container(),
        };
        Ok((query, scope))
    }

    fn query_failed(&self, error: azure_data_cosmos::CosmosError) -> Error {
        self.noted(Error::from_sdk(format!("querying container {}", self.name), error))
    }

    fn query_options(&self, page_items: Option<NonZeroU32>) -> QueryOptions {
        let mut feed = FeedOptions::default().with_max_fan_out(MAX_FAN_OUT);
        if let Some(page_items) = page_items {
            feed = feed.with_max_item_count(MaxItemCountHint::Limit(page_items));
        }
        QueryOptions::default().with_feed_options(feed).with_operation_options(self.meter.operation())
    }
}

/// The content of a token of the SDK: base64url JSON after `c1.`.
fn decoded(token: &str) -> Option<Value> {
    let json = URL_SAFE_NO_PAD.decode(token.strip_prefix("c1.")?).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Whether nothing follows this token. The SDK gives one after the last page too.
fn is_drained(token: &ContinuationToken) -> bool {
    decoded(token.as_str()).is_some_and(|token| token["root"]["kind"] == "drained")
}
