//! Signs requests with an account key, which the SDK does not support.
//!
//! Each attempt has its own signature, valid for 15 minutes. A SAS derived from the key would appear in URLs and would have
//! to be renewed. Source: "Authorize with Shared Key" in Microsoft's documentation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, Url};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The headers of which only the value is signed, in this order.
const SIGNED_HEADERS: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// An account and its key.
pub(super) struct SharedKey {
    pub account: String,
    pub key: Vec<u8>,
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedKey").field("account", &self.account).finish_non_exhaustive()
    }
}

// The trait elides lifetimes, and its signature has to be matched.
#[allow(elided_lifetimes_in_paths)]
#[async_trait]
impl Policy for SharedKey {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header("x-ms-date", date(Utc::now()));
        let mut headers: BTreeMap<String, String> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_lowercase(), value.as_str().trim().to_owned()))
            .collect();
        // The transport adds the length of a body where the SDK has not set it.
        if let Some(length) = request.body().len() {
            headers.entry("content-length".to_owned()).or_insert_with(|| length.to_string());
        }
        let text = text_to_sign(request.method().as_str(), &headers, &self.account, request.url());
        request.insert_header("authorization", format!("SharedKey {}:{}", self.account, self.sign(&text)));
        match next.split_first() {
            Some((policy, rest)) => policy.send(context, request, rest).await,
            None => Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Other, "no transport")),
        }
    }
}

impl SharedKey {
    fn sign(&self, text: &str) -> String {
        // HMAC accepts keys of any length, so this does not fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

fn date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn text_to_sign(method: &str, headers: &BTreeMap<String, String>, account: &str, url: &Url) -> String {
    let mut text = format!("{method}\n");
    for name in SIGNED_HEADERS {
        let value = headers.get(name).map_or("", String::as_str);
        text.push_str(if name == "content-length" && value == "0" { "" } else { value });
        text.push('\n');
    }
    for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("/{account}{}", url.path()));
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        parameters.entry(name.to_lowercase()).or_default().push(value.into_owned());
    }
    for (name, mut values) in parameters {
        values.sort();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_text_to_sign_is_the_example_of_the_documentation() {
        let url = "http://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20";
        let headers = headers(&[("x-ms-version", "2015-02-21"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT")]);
        let text = text_to_sign("GET", &headers, "myaccount", &Url::parse(url).expect("url"));
        assert_eq!(
            text,
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
             /myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        );
    }

    #[test]
    fn an_empty_body_has_no_length_and_repeated_parameters_are_sorted() {
        let url = Url::parse("https://a.blob.core.windows.net/c/x%20y?Include=b&include=a").expect("url");
        let text = text_to_sign("PUT", &headers(&[("content-length", "0"), ("range", "bytes=0-1")]), "a", &url);
        assert_eq!(text, "PUT\n\n\n\n\n\n\n\n\n\n\nbytes=0-1\n/a/c/x%20y\ninclude:a,b");
    }

    #[test]
    fn the_key_is_not_printed_and_dates_have_the_http_form() {
        let key = SharedKey { account: "a".into(), key: b"secret".to_vec() };
        assert_eq!(format!("{key:?}"), r#"SharedKey { account: "a", .. }"#);
        let time = DateTime::from_timestamp(1_435_361_952, 0).expect("time");
        assert_eq!(date(time), "Fri, 26 Jun 2015 23:39:12 GMT");
    }
}
