"""Checks the YAML and JSON files of a deployment: Kubernetes manifests against the schemas of Kubernetes, the names in them against each
other, azure.yaml and the dashboard for their form.

Usage: manifests.py
"""

import json
import pathlib
import shlex
import sys

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra/kubernetes"
KUBERNETES = "1.33"
# Resources of KEDA and of the Prometheus operator, whose schemas are not those of Kubernetes.
OTHERS = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}

found = []


def settings():
    lines = (FOLDER / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def check_manifests():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    files = {file.name: file for file in FOLDER.glob("*.yaml")}
    for name in kustomization["resources"]:
        if name not in files:
            found.append(f"kustomization.yaml: {name} does not exist")
    for name, file in sorted(files.items()):
        for manifest in yaml.safe_load_all(file.read_text()):
            if name == "kustomization.yaml":
                continue
            if manifest["apiVersion"] in OTHERS:
                if name in kustomization["resources"]:
                    found.append(f"{name} needs a resource definition that not every cluster has; do not list it")
                continue
            try:
                kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{name}: {'.'.join(map(str, error.path))}: {error.message}")


# Settings with a default that a scaler needs too.
DEFAULTS = {"CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX": "all-versions-"}


def check_scaler():
    """The scaler looks for the leases that the app writes."""
    trigger = yaml.safe_load((FOLDER / "scaled-object.yaml").read_text())["spec"]["triggers"][0]["metadata"]
    app = settings()
    prefix = "CHANGEFEED_LEASE_PREFIX" if app["CHANGEFEED_MODE"] == "LatestVersion" else "CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX"
    pairs = [
        ("processorName", prefix), ("databaseId", "CHANGEFEED_DATABASE"), ("leaseDatabaseId", "CHANGEFEED_DATABASE"),
        ("containerId", "CHANGEFEED_MONITORED_CONTAINER"), ("endpoint", "CosmosDB__accountEndpoint"),
        ("leaseEndpoint", "CosmosDB__accountEndpoint"),
    ]
    for name, setting in pairs:
        if not trigger[name] or trigger[name] != app.get(setting, DEFAULTS.get(setting)):
            found.append(f"scaled-object.yaml: {name} is {trigger[name]!r}; {setting} in settings.env is {app.get(setting, DEFAULTS.get(setting))!r}")


def check_azure_yaml():
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    service = project["services"]["changefeed"]
    if not (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file():
        found.append("azure.yaml: the module of infra does not exist")
    if service["dist"] not in service["hooks"]["prepackage"]["run"]:
        found.append("azure.yaml: the hook does not write what is deployed")
    script, *arguments = shlex.split(service["hooks"]["prepackage"]["run"])
    help = (ROOT / script).read_text()
    for option in (argument for argument in arguments if argument.startswith("--")):
        if f"  {option} " not in help:
            found.append(f"azure.yaml: {script} has no option {option}")
    if "'azd-service-name': 'changefeed'" not in (ROOT / "infra/modules/flex.bicep").read_text():
        found.append("azure.yaml: no app has the tag of the service")


def check_dashboard():
    dashboard = json.loads((ROOT / "infra/monitoring/grafana-dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        found.append("grafana-dashboard.json: two panels have the same id")
    yaml.safe_load((ROOT / "infra/monitoring/prometheus-rules.yaml").read_text())


check_manifests()
check_scaler()
check_azure_yaml()
check_dashboard()
print("\n".join(found) if found else f"infra: the manifests are valid for Kubernetes {KUBERNETES}")
sys.exit(1 if found else 0)
