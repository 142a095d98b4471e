"""Prints the licence texts of the crates, and of the standard library, that are in the executable as it is deployed.

Usage: licences.py --target TRIPLE
       licences.py --list --target TRIPLE [--target TRIPLE]...     a list of the crates instead, as CSV

Crates that only run while building are left out. A crate without a licence file gets the text of its licence with its authors;
a crate whose licence has no text here ends the program with an error. CHANGEFEED_FEATURES names the features of the executable.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import subprocess
import sys

NAME = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?", re.IGNORECASE)
# Folders of tests and of tools are not in the executable.
NOT_LINKED = {"tests", "test", "benches", "examples", "fuzz", "programs", "contrib", "doc", "docs", "scripts", "util", "ci", "target"}
# The licence that is chosen where a crate offers several and has no file.
TEXTS = ["MIT", "Apache-2.0"]


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(target):
    """The names and versions of the crates in the executable."""
    tree = cargo(
        "tree", "--package", "changefeed", "--no-default-features", "--features", os.environ.get("CHANGEFEED_FEATURES", ""), "--edges", "normal,no-proc-macro",
        "--target", target, "--prefix", "none", "--format", "{p}",
    )
    lines = (line.split() for line in tree.splitlines() if line)
    return {(line[0], line[1].removeprefix("v")) for line in lines}


def licence_files(folder, expression):
    """The licence files of a crate, also those of C sources in it. Where it offers a choice with a file for each, the MIT licence is chosen."""
    found = []
    is_choice = " OR " in expression or "/" in expression
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NOT_LINKED and not name.startswith("."))
        names = sorted(name for name in files if NAME.fullmatch(name) and not name.endswith((".rs", ".py", ".go", ".html")))
        # zstd offers its code under the licence in LICENSE, or under the GPL in COPYING. The first is chosen.
        if "LICENSE" in names and "COPYING" in names:
            names.remove("COPYING")
        if is_choice and any("MIT" in name.upper() for name in names):
            names = [name for name in names if "APACHE" not in name.upper()]
        found += [pathlib.Path(path, name) for name in names]
    return found


def standard_text(package):
    offered = re.split(r"\s+OR\s+|\s*/\s*", package["license"] or "")
    chosen = next((licence for licence in TEXTS if licence in offered), None)
    if chosen is None:
        sys.exit(f"licences: {package['name']} has no licence file, and no text for {package['license']} is in scripts/package.d")
    text = pathlib.Path(__file__).with_name(f"{chosen}.txt").read_text()
    return text.replace("AUTHORS", ", ".join(package["authors"]) or f"the authors of {package['name']}")


def foreign_packages(target):
    """The crates of others in the executable."""
    names = linked(target)
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", target))
    packages = [package for package in metadata["packages"] if (package["name"], package["version"]) in names]
    if len(packages) != len(names):
        sys.exit(f"licences: {len(names)} crates are in the executable, {len(packages)} were found")
    return [package for package in packages if package["source"] is not None]


def print_list(targets):
    rows = {(package["name"], package["version"], package["license"] or "", target) for target in targets for package in foreign_packages(target)}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["name", "version", "licence", "target"])
    writer.writerows(sorted(rows))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True, action="append")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print_list(arguments.target)
        return
    if len(arguments.target) != 1:
        sys.exit("licences: the texts are those of one target")
    users = {}
    for package in foreign_packages(arguments.target[0]):
        folder = pathlib.Path(package["manifest_path"]).parent
        texts = [file.read_text(errors="replace") for file in licence_files(folder, package["license"] or "")] or [standard_text(package)]
        title = f"{package['name']} {package['version']} ({package['license']})"
        for text in texts:
            users.setdefault(text.replace("\r\n", "\n").strip(), set()).add(title)
    standard_library = pathlib.Path(__file__).with_name("MIT.txt").read_text().replace("AUTHORS", "The Rust Project contributors")
    users.setdefault(standard_library.strip(), set()).add("Rust standard library (MIT OR Apache-2.0)")
    print("Licences of the software in the executable changefeed. Each text is that of the crates named above it.")
    for text, titles in sorted(users.items(), key=lambda entry: sorted(entry[1])):
        print("\n" + "=" * 80)
        print("\n".join(sorted(titles)))
        print("=" * 80 + "\n")
        print(text)


main()
