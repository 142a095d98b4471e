//! Requests that the SDK cannot send: signed, to the gateway of the account's write region.
//!
//! A request is sent once. Its caller knows another way to the same result, and takes it after a failure; so there is no retry and
//! no second region here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{HttpClient, Method, Request, Url};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use tokio::sync::OnceCell;
use url::form_urlencoded::byte_serialize;

use crate::error::{Error, ErrorKind};

/// The version of the protocol, as the SDKs name it.
const VERSION: &str = "2020-07-15";
const TOKEN_SCOPE: &str = "https://cosmos.azure.com/.default";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer: the service ends its own work after 60 seconds.
const TIMEOUT: Duration = Duration::from_secs(65);
/// Of a 403: the region does not take writes any more.
const WRITE_FORBIDDEN: u32 = 3;

/// How requests are authorized.
#[derive(Clone)]
pub(crate) enum Authorization {
    Key(Secret),
    Token(Arc<dyn TokenCredential>),
}

/// The gateway of an account. Clones share the connections.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<State>);

struct State {
    endpoint: Url,
    authorization: Authorization,
    /// Whether regions are named that the account is read from.
    has_preferred_regions: bool,
    http: OnceCell<Arc<dyn HttpClient>>,
    write_region: Mutex<Option<Url>>,
}

/// The target of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub database: &'a str,
    pub container: &'a str,
    pub feed: Feed,
}

/// A list of a container's resources.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feed {
    Items,
    /// Those items that a query selects.
    Query,
    Ranges,
}

impl Feed {
    /// The segment of the path, which is the type of the resource in a signature too.
    fn name(self) -> &'static str {
        match self {
            Self::Items | Self::Query => "docs",
            Self::Ranges => "pkranges",
        }
    }

    /// The type of what is sent.
    fn content_type(self) -> &'static str {
        match self {
            Self::Query => "application/query+json",
            Self::Items | Self::Ranges => "application/json",
        }
    }
}

/// The properties of the account.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Account {
    writable_locations: Vec<Location>,
    enable_multiple_write_locations: bool,
}

/// A region of the account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    database_account_endpoint: Url,
}

/// What the service answered.
pub(crate) struct Answer {
    pub status: u16,
    pub sub_status: u32,
    /// Request units.
    pub charge: f64,
    pub retry_after: Option<Duration>,
    pub continuation: Option<String>,
    /// The state of the partition that the answer is of.
    pub session_token: Option<String>,
    pub body: Vec<u8>,
}

impl Gateway {
    /// `http`: what sends the requests, instead of a client of its own.
    pub(crate) fn new(
        endpoint: Url,
        authorization: Authorization,
        has_preferred_regions: bool,
        http: Option<Arc<dyn HttpClient>>,
    ) -> Self {
        let (http, write_region) = (OnceCell::new_with(http), Mutex::new(None));
        Self(Arc::new(State { endpoint, authorization, has_preferred_regions, http, write_region }))
    }

    /// Whether another region may be meant for reads than the one that requests are sent to.
    pub(crate) fn has_other_region_for_reads(&self) -> bool {
        self.0.has_preferred_regions
    }

    /// The body is empty for a read.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when no answer arrives.
    pub(crate) async fn send(
        &self,
        target: Target<'_>,
        headers: &[(&'static str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Error> {
        let Target { database, container, feed } = target;
        let method = if body.is_some() { Method::Post } else { Method::Get };
        let link = format!("dbs/{database}/colls/{container}");
        let mut url = self.write_region().await?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["dbs", database, "colls", container, feed.name()]);
        }
        let mut request = self.signed(method, url, feed.name(), &link).await?;
        for (name, value) in headers {
            request.insert_header(*name, (*value).to_owned());
        }
        if let Some(body) = body {
            request.insert_header("content-type", feed.content_type());
            request.set_body(body);
        }
        let answer = self.receive(&request).await;
        let is_of_another_region = |answer: &Answer| answer.status == 403 && answer.sub_status == WRITE_FORBIDDEN;
        if answer.as_ref().map_or(true, is_of_another_region) {
            *self.region() = None;
        }
        answer
    }

    /// The first region that takes writes, in the account's own order.
    async fn write_region(&self) -> Result<Url, Error> {
        if let Some(known) = self.region().clone() {
            return Ok(known);
        }
        let mut locations = self.account().await?.writable_locations.into_iter();
        let region =
            locations.next().map_or_else(|| self.0.endpoint.clone(), |location| location.database_account_endpoint);
        *self.region() = Some(region.clone());
        Ok(region)
    }

    /// Whether several regions of the account take writes.
    pub(crate) async fn has_several_write_regions(&self) -> Result<bool, Error> {
        Ok(self.account().await?.enable_multiple_write_locations)
    }

    async fn account(&self) -> Result<Account, Error> {
        let request = self.signed(Method::Get, self.0.endpoint.clone(), "", "").await?;
        let answer = self.receive(&request).await?;
        if answer.status != 200 {
            return Err(unavailable(format!("the account was answered with status {}", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| unavailable(error.to_string()))
    }

    fn region(&self) -> std::sync::MutexGuard<'_, Option<Url>> {
        self.0.write_region.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn signed(&self, method: Method, url: Url, resource_type: &str, link: &str) -> Result<Request, Error> {
        let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let authorization = match &self.0.authorization {
            Authorization::Key(key) => {
                let signature = signature(key, method.as_str(), resource_type, link, &date)?;
                format!("type=master&ver=1.0&sig={signature}")
            }
            Authorization::Token(credential) => {
                let token = credential.get_token(&[TOKEN_SCOPE], None).await;
                let token = token.map_err(|error| unavailable(error.to_string()))?;
                format!("type=aad&ver=1.0&sig={}", token.token.secret())
            }
        };
        let authorization: String = byte_serialize(authorization.as_bytes()).collect();
        let mut request = Request::new(url, method);
        request.insert_header("authorization", authorization);
        request.insert_header("x-ms-date", date);
        request.insert_header("x-ms-version", VERSION);
        Ok(request)
    }

    async fn receive(&self, request: &Request) -> Result<Answer, Error> {
        let failed = |error: azure_core::Error| unavailable(cause(&error));
        let http = self.0.http.get_or_try_init(new_http_client).await?;
        let answer = http.execute_request(request).await.map_err(failed)?;
        let answer = answer.try_into_raw_response().await.map_err(failed)?;
        let (status, headers) = (u16::from(answer.status()), answer.headers());
        Ok(Answer {
            status,
            sub_status: number(headers, "x-ms-substatus").unwrap_or_default() as u32,
            charge: number(headers, "x-ms-request-charge").unwrap_or_default(),
            retry_after: number(headers, "x-ms-retry-after-ms").map(|ms| Duration::from_millis(ms as u64)),
            continuation: text(headers, "x-ms-continuation").map(str::to_owned),
            session_token: text(headers, "x-ms-session-token").map(str::to_owned),
            body: answer.body().as_ref().to_vec(),
        })
    }
}

async fn new_http_client() -> Result<Arc<dyn HttpClient>, Error> {
    let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).tcp_nodelay(true);
    let client = builder.user_agent(concat!("cosmos-changefeed/", env!("CARGO_PKG_VERSION"))).build();
    Ok(Arc::new(client.map_err(|error| Error::internal("making an HTTP client", error))?))
}

/// The signature of a request, as "Access control in the Azure Cosmos DB SQL API" of Microsoft's documentation specifies it.
fn signature(key: &Secret, method: &str, resource_type: &str, link: &str, date: &str) -> Result<String, Error> {
    let key = STANDARD.decode(key.secret());
    let key = key.map_err(|error| Error::invalid("reading the account key", error.to_string()))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| Error::internal("signing a request", error))?;
    let (method, date) = (method.to_lowercase(), date.to_lowercase());
    mac.update(format!("{method}\n{resource_type}\n{link}\n{date}\n\n").as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// The innermost cause: those around it name the URL or say no more.
fn cause(error: &azure_core::Error) -> String {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let causes = std::iter::successors(first, |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

fn number(headers: &Headers, name: &'static str) -> Option<f64> {
    text(headers, name)?.trim().parse().ok()
}

fn text<'h>(headers: &'h Headers, name: &'static str) -> Option<&'h str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, "sending a request to Cosmos DB", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_as_the_documentation_shows() {
        let key =
            Secret::new("dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==");
        let date = "Thu, 27 Apr 2017 00:51:12 GMT";
        let signature = signature(&key, "GET", "dbs", "dbs/ToDoList", date).expect("signature");
        assert_eq!(signature, "c09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu+c+c=");
    }
}
