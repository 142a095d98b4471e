//! The kinds of resources that the endpoint does not offer.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindNotOffered {
    StoredProcedure,
    Trigger,
    UserDefinedFunction,
    Conflict,
    Attachment,
    User,
    Permission,
    UserDefinedType,
    ClientEncryptionKey,
    /// The deletion of all items of a partition key.
    DeleteByPartitionKey,
    /// The addresses of replicas, which a client in Direct mode asks for.
    ReplicaAddress,
    Media,
}

impl KindNotOffered {
    /// The kind with this segment in the path of the account.
    pub(crate) fn in_account(segment: &str) -> Option<Self> {
        match segment {
            "addresses" => Some(Self::ReplicaAddress),
            "media" => Some(Self::Media),
            _ => None,
        }
    }

    /// The kind with this segment in the path of a database.
    pub(crate) fn in_database(segment: &str) -> Option<Self> {
        match segment {
            "users" => Some(Self::User),
            "permissions" => Some(Self::Permission),
            "udts" => Some(Self::UserDefinedType),
            "clientencryptionkeys" => Some(Self::ClientEncryptionKey),
            _ => None,
        }
    }

    /// The kind with this segment in the path of a container or an item.
    pub(crate) fn in_container(segment: &str) -> Option<Self> {
        match segment {
            "sprocs" => Some(Self::StoredProcedure),
            "triggers" => Some(Self::Trigger),
            "udfs" => Some(Self::UserDefinedFunction),
            "conflicts" => Some(Self::Conflict),
            "attachments" => Some(Self::Attachment),
            "operations" => Some(Self::DeleteByPartitionKey),
            _ => None,
        }
    }

    /// What it is called in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StoredProcedure => "stored procedures",
            Self::Trigger => "triggers",
            Self::UserDefinedFunction => "user-defined functions",
            Self::Conflict => "conflicts",
            Self::Attachment => "attachments",
            Self::User => "users",
            Self::Permission => "permissions",
            Self::UserDefinedType => "user-defined types",
            Self::ClientEncryptionKey => "client encryption keys",
            Self::DeleteByPartitionKey => "the deletion of all items of a partition key",
            Self::ReplicaAddress => "addresses of replicas; connect in Gateway mode instead of Direct mode",
            Self::Media => "media",
        }
    }

    /// The member of a list's body that has the resources; `None` if this kind has no list.
    pub(crate) fn list(self) -> Option<&'static str> {
        match self {
            Self::StoredProcedure => Some("StoredProcedures"),
            Self::Trigger => Some("Triggers"),
            Self::UserDefinedFunction => Some("UserDefinedFunctions"),
            Self::Conflict => Some("Conflicts"),
            Self::Attachment => Some("Attachments"),
            Self::User => Some("Users"),
            Self::Permission => Some("Permissions"),
            Self::UserDefinedType => Some("UserDefinedTypes"),
            Self::ClientEncryptionKey => Some("ClientEncryptionKeys"),
            Self::DeleteByPartitionKey | Self::ReplicaAddress | Self::Media => None,
        }
    }
}
