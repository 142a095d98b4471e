//! A Cosmos DB client that tests use directly.

use changefeed_cosmos::{Client, Connection, ConnectionString};
use local_cosmos::EMULATOR_KEY;

pub async fn client(url: &str) -> Client {
    let connection = ConnectionString::parse(&format!("AccountEndpoint={url};AccountKey={EMULATOR_KEY};"));
    let connection = Connection::Key(connection.expect("connection string"));
    changefeed_cosmos::connect(&connection, &[]).await.expect("client")
}
