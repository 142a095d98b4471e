//! The containers, and the operations on them.

use std::time::Duration;

use changefeed_backup_format::LocationAccess;
use changefeed_cosmos::{Account, Client, Clock, Error, KeyPath, create_container, create_database};
use changefeed_history::{ActorFields, ContainerNames, IndexedField, Role, container_spec};
use changefeed_jobs::JobOptions;
use changefeed_operations::{Changefeed, ChangefeedOptions, Connections};

fn names() -> ContainerNames {
    let name = str::to_owned;
    ContainerNames {
        database: name("dev"),
        monitored: name("events"),
        changes: name("changes"),
        leases: name("leases"),
        jobs: name("jobs"),
        dead_letters: name("dead-letters"),
    }
}

/// Creates the containers as `provision` does.
pub async fn provision(client: &Client, indexed_fields: &str) {
    let account = Account::connected(client.clone());
    let fields = IndexedField::parse_list(indexed_fields).expect("fields");
    create_database(&account, "dev").await.expect("database");
    for role in Role::ALL {
        let spec = container_spec(role, &names(), &[KeyPath::property("pk")], &fields);
        create_container(&account, "dev", &spec).await.expect("container");
    }
}

/// The operations of a process with this clock.
pub fn changefeed(client: &Client, clock: Clock, jobs: JobOptions) -> Changefeed {
    let options = ChangefeedOptions {
        source: Default::default(),
        other_histories: Vec::new(),
        concurrency: 4,
        batch_timeout: Duration::from_secs(30),
        indexed_fields: Vec::new(),
        capture_rules: Default::default(),
        actor_fields: ActorFields::default(),
        restored_at_field: None,
        restore_id_field: Some("restoreId".to_owned()),
        retention_days: None,
        jobs,
        locations: LocationAccess::default(),
        connections: Connections::new(|name| Err(Error::invalid("connecting", format!("no connection {name}")))),
        clock,
    };
    Changefeed::new(&Account::connected(client.clone()), names(), options)
}
