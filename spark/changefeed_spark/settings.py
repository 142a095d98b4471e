"""Settings of the jobs: the environment variables of changefeed with their defaults, and those of an identity in Azure."""

import os

from . import connector

_CONTAINERS = {
    "monitored": ("CHANGEFEED_MONITORED_CONTAINER", "events"),
    "changes": ("CHANGEFEED_CHANGES_CONTAINER", "changes"),
    "jobs": ("CHANGEFEED_JOBS_CONTAINER", "jobs"),
    "deadLetters": ("CHANGEFEED_DEAD_LETTERS_CONTAINER", "dead-letters"),
}
_IDENTITY = {
    "client_id": "AZURE_CLIENT_ID",
    "client_secret": "AZURE_CLIENT_SECRET",
    "tenant": "AZURE_TENANT_ID",
    "subscription": "AZURE_SUBSCRIPTION_ID",
    "resource_group": "AZURE_RESOURCE_GROUP",
}


def _value(environment, name, default=None):
    """A setting; an empty value counts as not set."""
    return environment.get(name) or default


def account(environment=os.environ):
    """The options for the account: `CosmosDB`, a connection string, or `CosmosDB__accountEndpoint` and an identity."""
    connection_string = _value(environment, "CosmosDB")
    if connection_string:
        parts = dict(part.split("=", 1) for part in connection_string.split(";") if "=" in part)
        missing = [name for name in ("AccountEndpoint", "AccountKey") if not parts.get(name)]
        if missing:
            raise ValueError(f"CosmosDB has no {missing[0]}; a connection string is AccountEndpoint=https://...;AccountKey=...;")
        return connector.account(parts["AccountEndpoint"], key=parts["AccountKey"])
    endpoint = _value(environment, "CosmosDB__accountEndpoint")
    if not endpoint:
        raise ValueError("no account: set CosmosDB to a connection string, or CosmosDB__accountEndpoint to the URL of the account")
    return connector.account(endpoint, **{name: _value(environment, variable) for name, variable in _IDENTITY.items()})


def containers(spark, throughput, environment=os.environ):
    """The containers of the history, read and written through the connector within the limits of `connector.throughput_control`."""
    names = {role: _value(environment, *name_and_default) for role, name_and_default in _CONTAINERS.items()}
    return connector.Containers(spark, account(environment), _value(environment, "CHANGEFEED_DATABASE", "dev"), names, throughput)


def actor_fields(environment=os.environ):
    """`CHANGEFEED_ACTOR_FIELDS`, each as a list of names: `updatedBy,meta.user.name`."""
    text = _value(environment, "CHANGEFEED_ACTOR_FIELDS", "-")
    if text == "-":
        return []
    fields = [field.strip() for field in text.split(",")]
    odd = [field for field in fields if not field or not all(part.isidentifier() for part in field.split("."))]
    if odd:
        raise ValueError(f"CHANGEFEED_ACTOR_FIELDS has {odd[0]!r}; a job in Spark reads names of letters, digits and _ with dots between them")
    return [field.split(".") for field in fields]


def check_everything_is_stored(environment=os.environ):
    """Refuses a source of which not everything is stored: these jobs would save omitted fields, remove them, or find excluded documents missing.

    Raises ValueError with the setting."""
    for name in ("CHANGEFEED_OMITTED_FIELDS", "CHANGEFEED_CAPTURE_FILTER"):
        if _value(environment, name, "-") != "-":
            raise ValueError(f"{name} is set: the jobs in Spark do not support it; use changefeed restore and changefeed verify")


def stamp_fields(environment=os.environ):
    """The fields that a restore gives the documents that it writes."""
    fields = {"id_field": ("CHANGEFEED_RESTORE_ID_FIELD", "restore_id"), "at_field": ("CHANGEFEED_RESTORED_AT_FIELD", "restored_at")}
    # Here an empty value means no such field.
    return {name: environment.get(variable, default).strip('"') or None for name, (variable, default) in fields.items()}
