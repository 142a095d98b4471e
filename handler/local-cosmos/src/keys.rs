//! Account keys: checks that a request was signed with the endpoint's key.
//!
//! Source: "Access control in the Azure Cosmos DB SQL API" (REST reference): the signature is the HMAC-SHA256 of verb,
//! resource type, resource link and date, each on a line, with the base64-decoded key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The public key of Microsoft's emulators.
pub const EMULATOR_KEY: &str =
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";

/// Whether `authorization`, which is URL-encoded, is the signature of the request with this key.
pub(crate) fn is_signed(key: &str, verb: &str, path: &str, date: &str, authorization: &str) -> bool {
    let decoded = percent_decode(authorization);
    let Some(signature) = decoded.strip_prefix("type=master&ver=1.0&sig=") else { return false };
    let Ok(signature) = STANDARD.decode(signature) else { return false };
    let Ok(key) = STANDARD.decode(key) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
    let (resource_type, link) = resource(path);
    mac.update(format!("{}\n{resource_type}\n{link}\n{}\n\n", verb.to_lowercase(), date.to_lowercase()).as_bytes());
    mac.verify_slice(&signature).is_ok()
}

/// The resource type and link of a path. A feed has the link of its parent.
fn resource(path: &str) -> (String, String) {
    let path = percent_decode(path.trim_matches('/'));
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
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

    #[test]
    fn the_signature_of_the_rest_reference_is_accepted_and_any_other_refused() {
        // The worked example of the REST reference.
        let key = "dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw==";
        let date = "Thu, 27 Apr 2017 00:51:12 GMT";
        let signed = "type%3dmaster%26ver%3d1.0%26sig%3dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2bc%2bc%3d";
        assert!(is_signed(key, "GET", "/dbs/ToDoList", date, signed));
        assert!(!is_signed(key, "GET", "/dbs/ToDoList2", date, signed));
        assert!(!is_signed(EMULATOR_KEY, "GET", "/dbs/ToDoList", date, signed));
        assert!(!is_signed(key, "GET", "/dbs/ToDoList", date, ""));
    }

    #[test]
    fn a_feed_is_signed_with_the_link_of_its_parent() {
        let link = |path| resource(path);
        assert_eq!(link("/"), (String::new(), String::new()));
        assert_eq!(link("/dbs"), ("dbs".into(), String::new()));
        assert_eq!(link("/dbs/a/colls/b/docs/"), ("docs".into(), "dbs/a/colls/b".into()));
        assert_eq!(link("/dbs/a/colls/b/docs/x%20y"), ("docs".into(), "dbs/a/colls/b/docs/x y".into()));
    }
}
