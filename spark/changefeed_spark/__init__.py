"""Verifies and restores a large Cosmos DB container with Apache Spark, from the history that cosmos-changefeed stores.

`verify`, `as_of` and `plan` are functions of DataFrames. `connector` reads and writes containers. `verify_job` and `restore_job`
join them to jobs. `docs/reference/format.md` specifies what is stored.
"""
