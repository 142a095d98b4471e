//! From a connection string to a client.

use azure_core::credentials::Secret;
use azure_data_cosmos::{AccountEndpoint, AccountReference, CosmosClient, RoutingStrategy};

use super::error::{Error, ErrorKind};

/// Connects with a connection string: `AccountEndpoint=https://…/;AccountKey=…;`, other parts are ignored. Regions are
/// used in the account's own order.
///
/// # Errors
/// [`ErrorKind::Invalid`] when a part is missing or malformed, and any kind when the account cannot be read.
pub async fn connect(connection_string: &str) -> Result<CosmosClient, Error> {
    let (endpoint, key) = parse(connection_string)?;
    let account = AccountReference::with_authentication_key(endpoint, Secret::new(key));
    CosmosClient::builder()
        .build(account, RoutingStrategy::PreferredRegions(Vec::new()))
        .await
        .map_err(|error| Error::from_sdk("connecting to the account", error))
}

fn parse(connection_string: &str) -> Result<(AccountEndpoint, String), Error> {
    let part = |name: &str| {
        connection_string
            .split(';')
            .filter_map(|part| part.trim().split_once('='))
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.to_owned())
            .ok_or_else(|| invalid(format!("the connection string has no {name}=…; part")))
    };
    let endpoint = part("AccountEndpoint")?;
    let endpoint = endpoint.parse().map_err(|error| invalid(format!("AccountEndpoint={endpoint}: {error}")))?;
    Ok((endpoint, part("AccountKey")?))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "reading the connection string", message)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_connection_string_is_read_whatever_the_order_and_the_padding_of_the_key() {
        let (endpoint, key) =
            parse("AccountKey=abc==; AccountEndpoint=https://a.documents.azure.com:443/;Other=1").expect("parts");
        assert_eq!((endpoint.url().host_str(), key.as_str()), (Some("a.documents.azure.com"), "abc=="));
    }

    #[test]
    fn a_missing_part_is_named_and_the_key_is_not_shown() {
        let error = parse("AccountKey=secret;").expect_err("no endpoint").to_string();
        assert!(error.contains("AccountEndpoint") && !error.contains("secret"), "{error}");
        let error = parse("AccountEndpoint=https://a/;AccountKey=").expect_err("no key").to_string();
        assert!(error.contains("AccountKey"), "{error}");
    }
}
