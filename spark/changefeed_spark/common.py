"""The arguments that both jobs have."""

import argparse
from datetime import datetime

from . import connector


def add_arguments(parser):
    """Adds the arguments of every job."""
    parser.add_argument("--folder", required=True, metavar="FOLDER", help="working folder of this job, such as abfss://...; has documents")
    parser.add_argument(
        "--partition-key", nargs="+", required=True, metavar="PATH", help="partition key of the monitored container, such as /tenant /id"
    )
    parser.add_argument(
        "--default-ttl", type=int, metavar="SECONDS", help="time to live of the monitored container, -1 for per document; default: off"
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--share", type=_share, help="share of the throughput of each container to use, 0 to 1")
    limit.add_argument("--ru-per-second", type=int, metavar="RU", help="request units per second to use of each container")
    limit.add_argument("--bucket", type=int, choices=range(1, 6), help="throughput bucket of the containers")
    parser.add_argument("--limit-database", metavar="NAME", help="database of the container in which executors share the limit")
    parser.add_argument("--limit-container", metavar="NAME", help="that container: partition key /groupId, time to live on")


def throughput(options):
    """The limits that the arguments ask for, as options of the connector."""
    return connector.throughput_control(
        share=options.share,
        ru_per_second=options.ru_per_second,
        bucket=options.bucket,
        database=options.limit_database,
        container=options.limit_container,
    )


def second(text):
    """A time as seconds since 1970: a whole number, or RFC 3339 with its zone."""
    if text.isdigit():
        return int(text)
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"invalid time {text!r}; use seconds since 1970, or a time with its zone: 2026-11-29T10:30:00Z")
    return int(time.timestamp())


def _share(text):
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"invalid share {text!r}; use a number over 0 and up to 1")
    return share


def written(counts):
    """Counts in words."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no documents"
