//! Protects a server on a loopback port from web pages.
//!
//! A page of any website can make the browser send requests to 127.0.0.1. Two things show it. `Origin` names the website of a request that
//! may change something. `Host` has the name in the URL: a website whose name resolves to 127.0.0.1 can read the answers, because for the
//! browser they come from that website. Programs send no `Origin`, and name this machine in `Host`.
//!
//! Source of the two headers: RFC 9110, section 7.2, and the Fetch standard, section "Origin header".

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};

/// The headers of a request that show where it comes from.
#[derive(Clone, Copy, Debug)]
struct Headers<'a> {
    method: &'a str,
    /// `Host`, or in HTTP/2 `:authority`. Every browser sends it.
    host: Option<&'a str>,
    origin: Option<&'a str>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `Host` names another machine or another port.
    #[error(
        "the request is for host {host}, and this server is only for this machine; use http://127.0.0.1:{port} or http://localhost:{port}"
    )]
    Host {
        /// The header's value.
        host: String,
        /// The server's port.
        port: u16,
    },
    /// A page of another website sends the request.
    #[error(
        "the request comes from a page of {origin}; only pages of http://127.0.0.1:{port} and http://localhost:{port} may send {method} requests"
    )]
    Origin {
        /// The header's value.
        origin: String,
        /// The server's port.
        port: u16,
        /// The request's method.
        method: String,
    },
}

/// Checks a request to a server that listens on a loopback port.
///
/// # Errors
/// When `Host` is not a name or an address of this machine with the server's port, and when the method may change something and `Origin`
/// is not such an address.
pub fn check(request: &HttpRequest) -> Result<(), Refused> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let headers = Headers {
        method: request.method().as_str(),
        host: header(request, &HOST).or(authority),
        origin: header(request, &ORIGIN),
    };
    headers.check(request.app_config().local_addr().port())
}

/// A value that is not text names nothing on this machine.
fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

impl Headers<'_> {
    fn check(&self, port: u16) -> Result<(), Refused> {
        if let Some(host) = self.host.filter(|host| !is_own(host, port)) {
            return Err(Refused::Host { host: host.to_owned(), port });
        }
        if matches!(self.method, "GET" | "HEAD") {
            return Ok(());
        }
        let is_foreign = |origin: &&str| !origin.strip_prefix("http://").is_some_and(|host| is_own(host, port));
        match self.origin.filter(is_foreign) {
            Some(origin) => Err(Refused::Origin { origin: origin.to_owned(), port, method: self.method.to_owned() }),
            None => Ok(()),
        }
    }
}

/// Whether `host:port` is this machine and this port.
fn is_own(authority: &str, port: u16) -> bool {
    // The last colon may be one of an address in brackets.
    let (host, found) = match authority.rsplit_once(':') {
        Some((host, found)) if !found.ends_with(']') => (host, found.parse().ok()),
        // The usual port of HTTP.
        _ => (authority, Some(80)),
    };
    found == Some(port) && is_this_machine(host)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    // Browsers resolve names below localhost to this machine, without asking a server.
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(method: &str, host: &str, origin: Option<&str>, port: u16) -> bool {
        Headers { method, host: Some(host), origin }.check(port).is_ok()
    }

    #[test]
    fn names_and_addresses_of_this_machine_with_the_own_port_are_allowed() {
        for host in
            ["127.0.0.1:7071", "localhost:7071", "LOCALHOST:7071", "a.localhost:7071", "[::1]:7071", "127.1.2.3:7071"]
        {
            assert!(is_allowed("POST", host, None, 7071), "{host}");
            assert!(is_allowed("POST", host, Some(&format!("http://{host}")), 7071), "{host}");
        }
        assert!(is_allowed("GET", "localhost", None, 80) && is_allowed("GET", "[::1]", None, 80));
        assert!(Headers { method: "POST", host: None, origin: None }.check(7071).is_ok());
    }

    #[test]
    fn any_other_host_is_refused_for_every_method() {
        for host in [
            "evil.example:7071",
            "localhost",
            "localhost:7072",
            "localhost.evil.example:7071",
            "evillocalhost:7071",
            "127.0.0.1.evil.example:7071",
            "10.0.0.1:7071",
            "[::2]:7071",
            "user@localhost:7071",
            "localhost:",
            "",
        ] {
            for method in ["GET", "POST"] {
                assert!(!is_allowed(method, host, None, 7071), "{method} {host:?}");
            }
        }
    }

    #[test]
    fn a_page_of_another_website_may_read_nothing_and_change_nothing() {
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:3000",
            "https://localhost:7071",
            "http://127.0.0.1.evil.example:7071",
            "",
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                assert!(!is_allowed(method, "localhost:7071", Some(origin), 7071), "{method} {origin}");
            }
            // Without a header that allows it, the browser gives the answer to no page of another website.
            assert!(is_allowed("GET", "localhost:7071", Some(origin), 7071), "{origin}");
        }
        let refused = Headers { method: "POST", host: None, origin: Some("https://evil.example") }.check(7071);
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains("https://evil.example") && message.contains("http://127.0.0.1:7071"), "{message}");
    }
}
