"""Reads and writes containers through the Azure Cosmos DB connector for Apache Spark (`azure-cosmos-spark`).

Items are read and written as JSON text, in the column `_rawBody`: no schema is inferred, and no value changes its type.
"""

ITEMS = "cosmos.oltp"
CHANGES = "cosmos.oltp.changeFeed"
ROLES = ("monitored", "changes", "jobs", "deadLetters")


def account(endpoint, *, key=None, client_id=None, client_secret=None, tenant=None, subscription=None, resource_group=None):
    """The options for an account: with its key; with a service principal (`client_secret`); or else with the managed identity of the cluster."""
    options = {"spark.cosmos.accountEndpoint": endpoint}
    if key:
        return {**options, "spark.cosmos.accountKey": key}
    identity = {
        "spark.cosmos.auth.aad.clientId": client_id,
        "spark.cosmos.auth.aad.clientSecret": client_secret,
        "spark.cosmos.account.tenantId": tenant,
        "spark.cosmos.account.subscriptionId": subscription,
        "spark.cosmos.account.resourceGroupName": resource_group,
    }
    kind = "ServicePrincipal" if client_secret else "ManagedIdentity"
    return {**options, "spark.cosmos.auth.type": kind, **{name: value for name, value in identity.items() if value}}


def throughput_control(*, share=None, ru_per_second=None, bucket=None, database=None, container=None):
    """The options that protect production. `bucket`: a throughput bucket of the containers, from 1 to 5, which the service enforces. Otherwise
    the connector limits itself to `share` (0 to 1) of the throughput of each container, or to `ru_per_second`; `database` and `container` name the
    container in which its executors share that limit, with the partition key `/groupId` and time to live on. Without these two, each executor
    gets an equal part of the limit."""
    if bucket is not None:
        return {
            "spark.cosmos.throughputControl.enabled": "true",
            "spark.cosmos.throughputControl.name": "changefeed-spark",
            "spark.cosmos.throughputControl.throughputBucket": str(bucket),
        }
    if share is None and ru_per_second is None:
        return {}
    options = {
        "spark.cosmos.throughputControl.enabled": "true",
        "spark.cosmos.throughputControl.name": "changefeed-spark",
        "spark.cosmos.throughputControl.priorityLevel": "Low",
    }
    if share is not None:
        options["spark.cosmos.throughputControl.targetThroughputThreshold"] = str(share)
    else:
        options["spark.cosmos.throughputControl.targetThroughput"] = str(ru_per_second)
    if database and container:
        options["spark.cosmos.throughputControl.globalControl.database"] = database
        options["spark.cosmos.throughputControl.globalControl.container"] = container
    else:
        options["spark.cosmos.throughputControl.globalControl.useDedicatedContainer"] = "false"
    return options


class Containers:
    """The containers of a history, by their roles: `monitored`, `changes`, `jobs`, `deadLetters`."""

    def __init__(self, spark, account_options, database, names, throughput=None):
        self.spark, self.database, self.names = spark, database, names
        self.options = {**account_options, **(throughput or {}), "spark.cosmos.database": database}

    def _options(self, role):
        # Without this option the connector reads with eventual consistency, and may miss what was written just before.
        consistent = {"spark.cosmos.read.forceEventualConsistency": "false"}
        return {**self.options, **consistent, "spark.cosmos.container": self.names[role]}

    def read(self, role, query="SELECT * FROM c"):
        """The items that a query returns, as JSON text in `_rawBody`."""
        options = {"spark.cosmos.read.customQuery": query, "spark.cosmos.read.inferSchema.enabled": "false"}
        return self.spark.read.format(ITEMS).options(**self._options(role), **options).load().select("_rawBody")

    def changed_since(self, role, second):
        """The newest versions of the items that were written since a second, from the change feed."""
        from datetime import datetime, timezone

        start = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        options = {
            "spark.cosmos.changeFeed.startFrom": start,
            "spark.cosmos.changeFeed.mode": "LatestVersion",
            "spark.cosmos.read.inferSchema.enabled": "false",
        }
        return self.spark.read.format(CHANGES).options(**self._options(role), **options).load().select("_rawBody")

    def write(self, role, items, strategy):
        """Writes items from `_rawBody`. `strategy`: `ItemAppend` creates and skips existing items, `ItemOverwriteIfNotModified` replaces under
        the `_etag` of the item or creates it without one, `ItemDeleteIfNotModified` deletes under the `_etag`. A refused write is skipped."""
        options = {"spark.cosmos.write.strategy": strategy, "spark.cosmos.write.bulk.enabled": "true"}
        items.select("_rawBody").write.format(ITEMS).mode("append").options(**self._options(role), **options).save()
