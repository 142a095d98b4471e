"""Prints a function.json for a change feed mode.

Usage: mode.py MODE FILE

The file in the repository is that for LatestVersion mode, where a trigger starts from the beginning. AllVersionsAndDeletes mode starts from
now, and its leases have a prefix of their own, because a lease keeps its mode. The feed of the jobs stays in LatestVersion mode and has the
same prefix, because the program knows one prefix.
"""

import json
import pathlib
import sys

PREFIX = "all-versions-"


def main(mode, file):
    function = json.loads(pathlib.Path(file).read_text())
    binding = function["bindings"][0]
    if mode == "AllVersionsAndDeletes" and binding["type"] == "cosmosDBTrigger":
        binding["leaseContainerPrefix"] = PREFIX
        if binding["containerName"] == "%CHANGEFEED_MONITORED_CONTAINER%":
            binding["changeFeedMode"] = mode
            del binding["startFromBeginning"]
    print(json.dumps(function, indent=2))


main(*sys.argv[1:])
