//! The account, which clients read first.

use serde_json::{Value, json};

/// The region that takes writes.
const REGION: &str = "Local";

/// The body of `GET /`. `host` is the host and port that the client connected to, as in its header `host`: clients send all
/// further requests to the addresses in this body.
pub(crate) fn to_json(host: &str, several_write_regions: bool, further_regions: &[(String, String)]) -> Value {
    let name = name(host);
    let location = |name: &str, url: &str| json!({"name": name, "databaseAccountEndpoint": url});
    let own = location(REGION, &format!("http://{host}/"));
    let further = further_regions.iter().map(|(name, url)| location(name, url));
    let readable: Vec<Value> = std::iter::once(own.clone()).chain(further).collect();
    json!({
        "_self": "",
        "id": name,
        "_rid": format!("{name}.sql.cosmos.azure.com"),
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": [own],
        "readableLocations": readable,
        "enableMultipleWriteLocations": several_write_regions,
        "continuousBackupEnabled": false,
        "enableNRegionSynchronousCommit": false,
        "enablePerPartitionFailoverBehavior": false,
        "userReplicationPolicy": {"asyncReplication": false, "minReplicaSetSize": 3, "maxReplicasetSize": 4},
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "systemReplicationPolicy": {"minReplicaSetSize": 3, "maxReplicasetSize": 4},
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
        "queryEngineConfiguration": query_engine_configuration().to_string(),
    })
}

/// The name of the account: the host up to its first dot. An address of the Internet Protocol has none.
fn name(host: &str) -> &str {
    let without_port = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_address =
        without_port.starts_with('[') || without_port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_address { "localhost" } else { without_port.split('.').next().unwrap_or(without_port) }
}

/// The limits of queries. The .NET SDK needs some, and its process ends if there are none; no other SDK reads them.
fn query_engine_configuration() -> Value {
    json!({
        "allowNewKeywords": true,
        "maxJoinsPerSqlQuery": 10,
        "maxQueryRequestTimeoutFraction": 0.9,
        "maxSqlQueryInputLength": 524_288,
        "maxUdfRefPerSqlQuery": 10,
        "queryMaxInMemorySortDocumentCount": -1_000,
        "spatialMaxGeometryPointCount": 256,
        "sqlAllowNonFiniteNumbers": false,
        "sqlDisableOptimizationFlags": 0,
        "enableSpatialIndexing": true,
        "maxInExpressionItemsCount": 2_147_483_647,
        "maxLogicalAndPerSqlQuery": 2_147_483_647,
        "maxLogicalOrPerSqlQuery": 2_147_483_647,
        "maxSpatialQueryCells": 2_147_483_647,
        "sqlAllowAggregateFunctions": true,
        "sqlAllowGroupByClause": true,
        "sqlAllowLike": true,
        "sqlAllowSubQuery": true,
        "sqlAllowScalarSubQuery": true,
        "sqlAllowTop": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What SDKs need, found by leaving members out.
    #[test]
    fn the_account_has_what_clients_need() {
        let account = to_json("127.0.0.1:8081", false, &[]);
        let configuration = account["queryEngineConfiguration"].as_str().expect("a text");
        let configuration: Value = serde_json::from_str(configuration).expect("JSON");
        assert!(configuration.as_object().is_some_and(|members| !members.is_empty()));
        assert_eq!(account["userConsistencyPolicy"]["defaultConsistencyLevel"], "Session");
        for locations in [&account["writableLocations"], &account["readableLocations"]] {
            assert_eq!(locations[0]["databaseAccountEndpoint"], "http://127.0.0.1:8081/");
        }
        assert_eq!(account["enableMultipleWriteLocations"], false);
    }

    #[test]
    fn the_account_has_the_name_of_the_host() {
        for (host, expected) in [
            ("127.0.0.1:8081", "localhost"),
            ("[::1]:8081", "localhost"),
            ("localhost:8081", "localhost"),
            ("localhost", "localhost"),
            ("cosmos.example.net:443", "cosmos"),
        ] {
            assert_eq!(to_json(host, false, &[])["id"], expected, "{host}");
        }
    }
}
