"""Writes, backs up, truncates, restores and verifies many documents on the embedded endpoint, and kills processes at random.

Each step runs in its own process. It must succeed, stay below a memory limit, and not cost more per document than with a tenth
of the documents.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

MAX_MEGABYTES = 150


class Scale:
    def __init__(self, executable, documents, seed):
        self.executable, self.documents, self.random = executable, documents, random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="changefeed-scale-")
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.endpoint = self.spawn(["local", "--cosmos-only", "--cosmos-port", "0"], stdout=subprocess.PIPE)
        ready = json.loads(self.endpoint.stdout.readline())
        self.settings = {"CosmosDB": ready["connectionString"], "COSMOS_DISABLE_IMDS": "1", "CHANGEFEED_JOB_BUDGET": "unlimited"}
        self.run(["provision"])
        self.capture = self.spawn(["process", "--poll-delay-ms", "200"], stdout=subprocess.PIPE)
        self.capture.stdout.readline()
        self.units = {}

    def spawn(self, arguments, stdout=subprocess.DEVNULL):
        environment = {**os.environ, **getattr(self, "settings", {}), "RUST_LOG": "warn,azure_data_cosmos_driver=error"}
        # Backtraces of expected errors would take more time than the work.
        environment["RUST_BACKTRACE"] = "0"
        return subprocess.Popen([self.executable, *arguments], env=environment, stdout=stdout, stderr=self.log)

    def run(self, arguments, allowed=(0,)):
        """Runs a command and returns its output."""
        child = self.spawn([*arguments, "--output", "json"], stdout=subprocess.PIPE)
        answer = child.communicate()[0].decode()
        if child.returncode not in allowed:
            sys.exit(f"{arguments} failed with exit code {child.returncode}: {answer[:2000]}; see {self.folder}/log")
        return answer

    def step(self, name, arguments, resume, kills):
        """Runs a command, kills and resumes it at random times, and measures its memory."""
        start, peak, killed = time.time(), 0, 0
        command = arguments
        pause = 2.0
        while True:
            with tempfile.TemporaryFile() as output:
                child = self.spawn([*command, "--output", "json"], stdout=output)
                until = time.time() + self.random.uniform(0.2, pause) if killed < kills else None
                while child.poll() is None and (until is None or time.time() < until):
                    peak = max(peak, peak_megabytes(child.pid))
                    time.sleep(0.02)
                if child.poll() is None:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
                    killed, pause = killed + 1, pause * 1.5
                    command = resume() or arguments
                    continue
                output.seek(0)
                answer = output.read().decode()
            if child.returncode != 0:
                sys.exit(f"{command} failed with exit code {child.returncode}: {answer[-2000:]}; see {self.folder}/log")
            break
        seconds = time.time() - start
        charge = re.findall(r'"requestCharge":([0-9.]+)', answer)
        self.units[name] = float(charge[-1]) / self.documents if charge else None
        units = f"{self.units[name]:.1f} RU" if charge else "-"
        print(f"{name:<28} {seconds:7.1f} s  {self.documents / seconds:7.0f}/s  {units:>9} per document"
              f"  {peak:4.0f} MB  killed {killed} times", flush=True)
        if peak > MAX_MEGABYTES:
            sys.exit(f"{name} used {peak:.0f} MB; the limit is {MAX_MEGABYTES} MB")
        return answer

    def unfinished(self, kind):
        """The command that resumes the newest job of a kind, or None if that job has ended."""
        jobs = json.loads(self.run([kind, "list"]))
        newest = jobs["items"][0] if jobs.get("items") else None
        if newest is None or newest["state"] not in ("queued", "running"):
            return None
        return [kind, "show", newest["id"], "--follow"]

    def write(self, version):
        """Writes a new version of every document, from a file with one JSON document per line."""
        path = os.path.join(self.folder, f"version-{version}.ndjson")
        with open(path, "w") as file:
            for number in range(self.documents):
                file.write(json.dumps({"id": f"d{number}", "pk": f"p{number % 997}", "value": number * 10 + version,
                                       "text": "some text to give the document a typical size " * 4}) + "\n")
        self.step(f"write version {version}", ["backup", "restore", path, "--yes"], lambda: self.unfinished("restore"), 0)
        deadline = time.time() + 600
        while self.count("changes") < version * self.documents:
            if time.time() > deadline:
                sys.exit(f"only {self.count('changes')} of {version * self.documents} versions were captured in 600 s")
            time.sleep(0.5)

    def count(self, role):
        containers = json.loads(self.run(["status"]))["containers"]
        return next(container.get("items") or 0 for container in containers if container["role"] == role)

    def check(self, version):
        """Fails unless the live documents are exactly those of the version."""
        answer = self.run(["query", "--container", "events", "SELECT c.id, c['value'] FROM c"])
        found = dict(re.findall(r'"id":"d([0-9]+)","value":([0-9]+)', answer))
        wrong = [number for number in range(self.documents) if int(found.get(str(number), -1)) != number * 10 + version]
        if wrong or len(found) != self.documents:
            sys.exit(f"found {len(found)} of {self.documents} documents, {len(wrong)} missing or wrong: {wrong[:10]}")

    def end(self):
        peak = peak_megabytes(self.capture.pid)
        print(f"capture used {peak:.0f} MB")
        if peak > MAX_MEGABYTES:
            sys.exit(f"capture used {peak:.0f} MB; the limit is {MAX_MEGABYTES} MB")
        for child in (self.capture, self.endpoint):
            child.send_signal(signal.SIGINT)
            child.wait()


def peak_megabytes(pid):
    """The peak memory of a process in megabytes, 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status") as status:
            found = re.search(r"VmHWM:\s+([0-9]+) kB", status.read())
            return int(found.group(1)) / 1024 if found else 0
    except OSError:
        return 0


def run_scenario(executable, documents, seed, kills):
    print(f"{documents} documents, {3 * documents} versions, seed {seed}")
    scale = Scale(executable, documents, seed)
    scale.write(1)
    scale.write(2)
    second = int(time.time())
    while int(time.time()) <= second + 1:
        time.sleep(0.1)
    scale.write(3)
    backup = os.path.join(scale.folder, "backup")
    create = ["backup", "create", "--to", backup]
    scale.step("backup", create, lambda: create, kills)
    scale.step("verify the backup", ["backup", "verify", backup], lambda: None, 0)
    scale.step("truncate", ["truncate", "--container", "events", "--max", str(documents), "--yes"], lambda: None, 0)
    restores = lambda: scale.unfinished("restore")
    scale.step("restore from the backup", ["backup", "restore", backup, "--yes"], restores, kills)
    scale.check(3)
    scale.step("restore as of a time", ["restore", "run", "--all", "--as-of", str(second), "--yes"], restores, kills)
    scale.check(2)
    scale.step("verify", ["verify"], lambda: scale.unfinished("verify"), kills)
    scale.end()
    return scale.units


def main():
    executable, documents, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    small = run_scenario(executable, documents // 10, seed, 0)
    large = run_scenario(executable, documents, seed, 3)
    for name, units in large.items():
        if units and small[name] and units > 1.2 * small[name] + 1:
            sys.exit(f"{name}: {units:.1f} RU per document, but {small[name]:.1f} RU with a tenth of the documents")
    print("The cost per document does not grow with the number of documents.")


main()
