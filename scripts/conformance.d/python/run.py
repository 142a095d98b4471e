"""Runs the checks of the Python SDK for Azure Cosmos DB: every module beside this file that has classes of checks.

Classes of checks run at the same time, because time-to-live checks wait most of the time.

    COSMOS_CONNECTION_STRING=... python run.py [Class | Class.test ...]
"""

import importlib
import io
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdk import EndpointTest

AT_ONCE = 6
NOT_CHECKS = {"run", "sdk", "change_feed_demo"}


def check_classes():
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem in NOT_CHECKS:
            continue
        module = importlib.import_module(path.stem)
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, EndpointTest) and value is not EndpointTest:
                found[name] = value
    return found


def chosen_suites(classes, names):
    """One suite for each class of checks; with names, only the named classes and checks."""
    loader = unittest.defaultTestLoader
    if not names:
        return [loader.loadTestsFromTestCase(each) for each in classes.values()]
    suites = []
    for name in names:
        class_name, _, check = name.partition(".")
        if class_name not in classes:
            sys.exit(f"unknown class of checks {class_name!r}; use one of {', '.join(classes)}")
        each = classes[class_name]
        suites.append(unittest.TestSuite([each(check)]) if check else loader.loadTestsFromTestCase(each))
    return suites


class CountingResult(unittest.TextTestResult):
    """Counts the checks that passed, because a failed set-up of a class hides how many of its checks ran."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def run(suite):
    planned, report = suite.countTestCases(), io.StringIO()
    result = unittest.TextTestRunner(stream=report, verbosity=2, resultclass=CountingResult).run(suite)
    return planned, result, report.getvalue()


def failed_names(result):
    """The names of failed checks. A part of a check counts as its check."""
    bad = (getattr(test, "test_case", test) for test, _ in result.failures + result.errors)
    return sorted({test.id() for test in bad})


if __name__ == "__main__":
    suites = chosen_suites(check_classes(), sys.argv[1:])
    passed = failed = skipped = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for planned, result, report in pool.map(run, suites):
            print(report, end="")
            bad = failed_names(result)
            for name in bad:
                print(f"FAILED {name}")
            passed += result.passed
            skipped += len(result.skipped)
            # At least one where only the end of a class failed.
            failed += max(planned - result.passed - len(result.skipped), 1 if bad else 0)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 else 1)
