"""Writes a zip whose bytes depend on names and contents only: sorted names, one time, fixed attributes.

Usage: zip.py OUTPUT NAME=FILE...

The time of each file is SOURCE_DATE_EPOCH, in seconds since 1970. Files in bin/ can be executed.
"""

import os
import sys
import time
import zipfile

# A zip cannot store an earlier time.
EARLIEST = 315532800
UNIX = 3
REGULAR_FILE = 0o100000


def main(output, entries):
    stamp = time.gmtime(max(int(os.environ["SOURCE_DATE_EPOCH"]), EARLIEST))[:6]
    with zipfile.ZipFile(output, "w") as package:
        for name, file in sorted(entry.split("=", 1) for entry in entries):
            info = zipfile.ZipInfo(name, stamp)
            info.create_system = UNIX
            info.external_attr = (REGULAR_FILE | (0o755 if name.startswith("bin/") else 0o644)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            with open(file, "rb") as source:
                package.writestr(info, source.read(), compresslevel=9)


main(sys.argv[1], sys.argv[2:])
