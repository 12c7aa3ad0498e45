"""The files in docs/deploy speak of settings, commands, ports and folders that exist; nobody runs as root."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from portal import metrics
from portal.management.commands import web
from tests.portal_process import ROOT

DEPLOY = ROOT / "docs" / "deploy"
KUBERNETES: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
TEMPLATED = [made for made in KUBERNETES if "template" in made.get("spec", {})]
PODS: dict[str, Any] = {made["metadata"]["name"]: made["spec"]["template"]["spec"] for made in TEMPLATED}
PORTAL = {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("whatsapp-portal")}


def test_each_setting_exists() -> None:
    written = set(KUBERNETES[0]["data"]) | set(PORTAL["web"]["environment"]) | {"CONNECTOR_NAME"}
    written |= set(re.findall(r"\b([A-Z_]+)=", CONTAINERFILE)) - {"PYTHONUNBUFFERED", "NEONIZE_BOT_TAG"}
    assert [name for name in written if f"`{name}`" not in CONFIGURATION] == []


def test_each_command_exists() -> None:
    commands = [pod["containers"][0]["args"] for pod in PODS.values()] + [one["command"] for one in PORTAL.values()]
    assert {command[2] for command in commands} == {"migrate", "web", "connector", "worker"}
    assert {command[2] for command in commands} <= set(get_commands())


def test_nobody_is_root_and_nothing_is_written_beside_the_data() -> None:
    assert len(PODS) == 4
    for pod in PODS.values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert {"/data", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        named = {volume["name"] for volume in pod["volumes"]} | {"data"}
        assert {mount["name"] for mount in container["volumeMounts"]} <= named
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in PORTAL.values())
    assert re.findall("^USER (.*)$", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]


def test_the_ports_are_ours() -> None:
    first = int(KUBERNETES[0]["data"]["METRICS_PORT"])
    offsets = {"portal-web": 0, "portal-connector": metrics.CONNECTOR, "portal-worker": metrics.WORKER}
    for name, offset in offsets.items():
        ports = {port["name"]: port["containerPort"] for port in PODS[name]["containers"][0]["ports"]}
        assert ports["metrics"] == first + offset


def test_who_lives_is_not_asked_for_its_database_and_who_starts_is_waited_for() -> None:
    """Was red: a minute without the database restarted them all, and a rolling update overtook a connector's start."""
    pods = {name: PODS[name]["containers"][0] for name in ("portal-web", "portal-connector", "portal-worker")}
    ports = {"portal-web": "http", "portal-connector": "metrics", "portal-worker": "metrics"}
    for name, pod in pods.items():
        assert pod["livenessProbe"]["httpGet"] == {"path": "/livez", "port": ports[name]}
    for name in ("portal-web", "portal-connector"):
        asked = pods[name]["readinessProbe"]["httpGet"]
        assert (asked["path"], asked["port"]) == ("/readyz", ports[name])


def test_who_sends_callers_hears_of_an_end_before_it_comes() -> None:
    """Was red: for as long as the ingress did not know, each rollout refused callers."""
    pod = PODS["portal-web"]
    name, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert (name, int(seconds) > 0) == ("sleep", True)
    assert int(seconds) + web.STOP_SECONDS < pod["terminationGracePeriodSeconds"]


def test_keys_are_the_connectors_alone() -> None:
    """Was red: web and worker were given the database of all keys, which neither ever opens."""
    told = (DEPLOY / "kubernetes.yaml").read_text().partition("apiVersion")[0].splitlines()
    whose = {line.split()[1] for line in told if "SESSION_DATABASE_URL" in line}
    assert whose == {"portal-connector"}
    readers = [name for name, pod in PODS.items() if {"secretRef": {"name": "portal-connector"}} in _environment(pod)]
    assert readers == ["portal-connector"]


def _environment(pod: dict[str, Any]) -> list[Any]:
    (container,) = pod["containers"]
    return list(container["envFrom"])


def test_the_database_takes_as_many_connections_as_are_made() -> None:
    """Two an instance by the library, a pool for each process and one for the lease; PostgreSQL's default is 100."""
    command = COMPOSE["services"]["postgres"]["command"].split()
    told = dict(one.split("=") for one in command if "=" in one)
    pools = 20 * len([one for one in PORTAL if one != "migrate"])
    assert int(told["max_connections"]) >= pools + 1 + 2 * 150
    assert told["shared_buffers"]


def test_each_process_may_be_disrupted_one_at_a_time() -> None:
    budgets = [made["spec"] for made in KUBERNETES if made["kind"] == "PodDisruptionBudget"]
    assert {budget["selector"]["matchLabels"]["part"] for budget in budgets} == {"web", "connector", "worker"}
    assert {budget["maxUnavailable"] for budget in budgets} == {1}


def test_all_that_the_image_takes_is_there() -> None:
    copied = re.findall(r"^COPY (\S+)", CONTAINERFILE, re.MULTILINE)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert {"portal", "instances", "chats", "templates", "static", "locale", "manage.py"} <= set(copied)


@pytest.mark.skipif(
    shutil.which("kubernetes-validate") is None,
    reason="kubernetes-validate is missing: pip install kubernetes-validate (108 MB of schemas)",
)
def test_by_the_schemas_of_kubernetes() -> None:
    command = ["kubernetes-validate", "--strict", str(DEPLOY / "kubernetes.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
