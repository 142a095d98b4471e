//! Account keys: checks that a request was signed with the endpoint's key.
//!
//! Source: "Access control in the Azure Cosmos DB SQL API" (REST reference): the signature is the HMAC-SHA256 of verb,
//! resource type, resource link and date, each on a line, with the base64-decoded key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::incoming::Incoming;
use crate::resources::DatabaseRid;

/// The public key of Microsoft's emulators.
pub const EMULATOR_KEY: &str =
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// Checks the signature of a request. A request without one is allowed unless `is_required`: the endpoint is only for this machine. The
/// token of an identity cannot be checked here, so it counts as no signature. The error is a message for the client.
pub(crate) fn check_authorization(incoming: &Incoming, is_required: bool) -> Result<(), String> {
    let authorization = incoming.header("authorization").map(percent_decode).unwrap_or_default();
    if authorization.is_empty() || is_token(&authorization) {
        return match is_required {
            false => Ok(()),
            true => Err("The request is not signed, and this endpoint requires the account key.".to_owned()),
        };
    }
    let date = incoming.header("x-ms-date").or_else(|| incoming.header("date")).unwrap_or_default();
    if is_signed(EMULATOR_KEY, incoming.method.as_str(), &incoming.path, date, &authorization) {
        return Ok(());
    }
    Err("The signature of the request is wrong: it was made with another key, or for another request.".to_owned())
}

/// Whether a request is authorized with the token of an identity.
pub(crate) fn has_token(incoming: &Incoming) -> bool {
    incoming.header("authorization").is_some_and(|authorization| is_token(&percent_decode(authorization)))
}

fn is_token(authorization: &str) -> bool {
    authorization.starts_with("type=aad&")
}

/// Whether `authorization` is the signature of the request with this key.
fn is_signed(key: &str, verb: &str, path: &str, date: &str, authorization: &str) -> bool {
    let Some(signature) = authorization.strip_prefix("type=master&ver=1.0&sig=") else { return false };
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let Ok(key) = STANDARD.decode(key) else { return false };
    let (resource_type, link) = resource(path);
    let is_signature = |link: &str| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.update(format!("{}\n{resource_type}\n{link}\n{}\n\n", verb.to_lowercase(), date.to_lowercase()).as_bytes());
        mac.verify_slice(&signature).is_ok()
    };
    is_signature(&link) || resource_id(&link).is_some_and(|id| is_signature(&id))
}

/// What is signed instead of a link whose resources are addressed by their resource ids: the last of the ids, in lower case.
fn resource_id(link: &str) -> Option<String> {
    let segments: Vec<&str> = link.split('/').collect();
    let database = segments.get(1).filter(|_| segments[0] == "dbs")?;
    (database.parse::<DatabaseRid>().is_ok() && segments.len().is_multiple_of(2))
        .then(|| segments[segments.len() - 1].to_lowercase())
}

/// The resource type and link of a path. A feed has the link of its parent.
fn resource(path: &str) -> (String, String) {
    // An id can have a slash, which is encoded in the path.
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(percent_decode).collect();
    match segments.len() {
        0 => (String::new(), String::new()),
        odd if odd % 2 == 1 => (segments[odd - 1].to_lowercase(), segments[..odd - 1].join("/")),
        even => {
            let link =
                if segments[even - 2] == "offers" { segments[even - 1].to_lowercase() } else { segments.join("/") };
            (segments[even - 2].to_lowercase(), link)
        }
    }
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::Method;

    #[test]
    fn the_signature_of_the_rest_reference_is_accepted_and_any_other_refused() {
        // The worked example of the REST reference.
        let key = "dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==";
        let date = "Thu, 27 Apr 2017 00:51:12 GMT";
        let signed =
            percent_decode("type%3dmaster%26ver%3d1.0%26sig%3dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2bc%2bc%3d");
        assert!(is_signed(key, "GET", "/dbs/ToDoList", date, &signed));
        assert!(!is_signed(key, "GET", "/dbs/ToDoList2", date, &signed));
        assert!(!is_signed(EMULATOR_KEY, "GET", "/dbs/ToDoList", date, &signed));
        assert!(!is_signed(key, "GET", "/dbs/ToDoList", date, ""));
    }

    #[test]
    fn a_feed_is_signed_with_the_link_of_its_parent() {
        let link = |path| resource(path);
        assert_eq!(link("/"), (String::new(), String::new()));
        assert_eq!(link("/dbs"), ("dbs".into(), String::new()));
        assert_eq!(link("/dbs/a/colls/b/docs/"), ("docs".into(), "dbs/a/colls/b".into()));
        assert_eq!(link("/dbs/a/colls/b/docs/x%20y"), ("docs".into(), "dbs/a/colls/b/docs/x y".into()));
        assert_eq!(link("/dbs/a/colls/b/docs/x%2Fy"), ("docs".into(), "dbs/a/colls/b/docs/x/y".into()));
    }

    #[test]
    fn resources_that_are_addressed_by_resource_id_are_signed_with_the_id_in_lower_case() {
        assert_eq!(resource_id("dbs/AbCdEA=="), Some("abcdea==".into()));
        assert_eq!(resource_id("dbs/AbCdEA==/colls/AbCdEFGhIJk="), Some("abcdefghijk=".into()));
        for link in ["", "dbs/events/colls/AbCdEFGhIJk=", "offers/x1yz"] {
            assert_eq!(resource_id(link), None, "{link}");
        }
    }

    #[test]
    fn a_request_needs_no_signature_unless_one_is_required_but_no_wrong_one_passes() {
        let check = |authorization: Option<&str>, is_required| {
            let mut incoming = Incoming::new(Method::GET, "/dbs");
            if let Some(authorization) = authorization {
                incoming.headers.push(("authorization".into(), authorization.into()));
            }
            check_authorization(&incoming, is_required)
        };
        check(None, false).expect("no signature");
        check(Some("type%3Daad%26ver%3D1.0%26sig%3Dtoken"), false).expect("a token");
        for (authorization, is_required) in [
            (None, true),
            (Some("type=aad&ver=1.0&sig=token"), true),
            (Some("type=master&ver=1.0&sig=d3Jvbmc="), false),
            (Some("type=master&ver=1.0&sig=d3Jvbmc="), true),
            (Some("Basic d3Jvbmc="), false),
        ] {
            check(authorization, is_required).expect_err("refused");
        }
    }
}
