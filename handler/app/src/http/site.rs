//! Requests that a page of another site makes a browser send, with what signs its user in.
//!
//! A page can send a POST with a form's content type, or without one, to any site; with JSON only if that site allows it (CORS). The browser
//! says where the page is from in `Sec-Fetch-Site`, which no script can set; programs do not send it. The Functions host replaces `Host`, so
//! `Origin` says nothing here.
//!
//! Source: Fetch standard, "CORS-safelisted request-header"; Fetch Metadata Request Headers.

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;

use super::error::ApiError;

/// Checks that a POST is not one that a page of another site can send without being allowed to.
///
/// # Errors
/// 415 if it may be.
pub fn check_site(request: &ServiceRequest) -> Result<(), ApiError> {
    let site = request.headers().get("sec-fetch-site").map_or("", |site| site.to_str().unwrap_or("cross-site"));
    let is_of_another = !matches!(site, "" | "same-origin" | "none");
    if is_of_another && request.method() == Method::POST && request.content_type() != "application/json" {
        return Err(ApiError::from_another_site());
    }
    Ok(())
}
