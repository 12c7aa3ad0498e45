"""What watches the portal: dashboard and alerts speak of metrics that our processes export, and the alerts go off."""

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client import REGISTRY, Gauge

from chats import pins
from chats.models import Schedule
from chats.pinbook import Outcome
from chats.schedule import runner
from instances.events import book
from instances.events.models import Delivery, OutgoingEvent, Webhook
from instances.models import Account, Instance
from instances.states import State
from portal import metrics
from tests.portal_process import ROOT
from tests.test_pins import make_message

DEPLOY = ROOT / "docs" / "deploy"
RULES = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "dashboard.json").read_text())
# Of Prometheus itself and of its client's defaults.
GIVEN = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def exported() -> set[str]:
    """The names of the series that our processes have."""
    importlib.import_module("portal.metrics")
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {
        f"{metric.name}{end}" for metric in REGISTRY.collect() for end in ends.get(metric.type, ())
        if metric.name.startswith("portal_")
    }  # fmt: skip


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def names(expression: str) -> set[str]:
    """The series of an expression; not its functions, labels and values."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)|\"[^\"]*\"", "", expression)
    return set(re.findall(r"\b(?:portal|process)_\w+|\bup\b", bare))


def test_each_metric_that_is_spoken_of_exists() -> None:
    spoken = set().union(*map(names, expressions()))
    assert spoken - exported() - GIVEN == set()
    assert all(map(names, expressions())), "each expression asks for something"


def test_each_metric_is_on_the_dashboard() -> None:
    shown = set().union(*(names(target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]))
    hidden = {name for name in exported() if not {name, re.sub("_(sum|bucket)$", "_count", name)} & shown}
    assert hidden == set()


def test_the_values_of_labels_exist() -> None:
    known = {"state": set(State.values), "outcome": {one.value for one in Outcome} | {"delivered", "failed"},
             "heard": {word for _, word in pins._HEARD} | {"done", "failed"},
             "change": set(metrics.CHANGES), "job": {"portal-connector", "portal-.*"}}  # fmt: skip
    used = [pair for text in expressions() for pair in re.findall(r'(\w+)=~?"([^"]*)"', text)]
    assert used
    assert [(label, value) for label, value in used if not set(value.split("|")) <= known[label]] == []


def test_a_lease_is_asked_for_of_connectors_alone() -> None:
    """Was red: every process of ours has the gauge, and whoever holds no lease says 0, which is less than 2."""
    asked = [text for text in expressions() if "portal_lease_seconds" in names(text)]
    assert len(asked) == 2
    assert all('portal_lease_seconds{job="portal-connector"}' in text for text in asked)


def test_what_has_not_happened_yet_is_exported_too() -> None:
    """Was red: of fifty leases that were lost at once, the first of their process, Prometheus saw no increase."""
    told = [REGISTRY.get_sample_value("portal_lease_changes_total", {"change": change}) for change in metrics.CHANGES]
    assert None not in told


def test_each_alert_says_what_to_do() -> None:
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in RULES)
    assert all(rule["labels"]["severity"] in ("page", "ticket") for rule in RULES)


def test_panels_lie_beside_each_other() -> None:
    places = [(panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
              for panel in DASHBOARD["panels"]
              for dx in range(panel["gridPos"]["w"]) for dy in range(panel["gridPos"]["h"])]  # fmt: skip
    assert len(places) == len(set(places))
    assert all(x < 24 for x, _ in places)


# What is wrong in each, as series and their values a minute apart; and all is well else.
TROUBLE: dict[str, list[tuple[str, str]]] = {
    "PortalProcessDown": [('up{job="portal-web", instance="a"}', "0x60"), ('up{job="portal-connector"}', "1x60")],
    "PortalNoConnector": [('up{job="portal-connector", instance="gone"}', "0x60")],
    "PortalLeaseRunningOut": [('portal_lease_seconds{job="portal-connector"}', "1x60")],
    "PortalInstancesDown": [('portal_instances{state="connected"}', "80x60"),
                            ('portal_instances{state="disconnected"}', "20x60")],
    "PortalInstancesUnplaced": [("portal_instances_unplaced", "1x60")],
    "PortalLeasesLost": [('portal_lease_changes_total{change="lost"}', "0x50 1x10")],
    "PortalPinsUnconfirmed": [('portal_pins_total{heard="unconfirmed"}', "0+1x60"),
                              ('portal_pins_total{heard="done"}', "0+20x60")],
    "PortalPinsNotSent": [('portal_pins_total{heard="not connected"}', "0+3x60"),
                          ('portal_pins_total{heard="done"}', "0+20x60")],
    "PortalPinsSlow": [('portal_pin_seconds_bucket{outcome="acknowledged", le="5"}', "0+90x60"),
                       ('portal_pin_seconds_bucket{outcome="acknowledged", le="15"}', "0+100x60"),
                       ('portal_pin_seconds_bucket{outcome="acknowledged", le="+Inf"}', "0+100x60")],
    "PortalWriterBehind": [("portal_writer_queue", "200x60")],
    "PortalWebhooksLate": [("portal_webhook_lag_seconds", "90x60")],
    "PortalWebhooksRefused": [('portal_webhook_attempts_total{outcome="failed"}', "0+6x60"),
                              ('portal_webhook_attempts_total{outcome="delivered"}', "0+5x60")],
    "PortalSchedulesLate": [("portal_schedule_lag_seconds", "150x60")],
    "PortalCallersRefused": [("portal_rate_limit_refusals_total", "0+100x60")],
    "PortalBusy": [("portal_busy_refusals_total", "0+100x60")],
}  # fmt: skip
WELL = [
    ('up{job="portal-web", instance="a"}', "1x60"), ('up{job="portal-connector", instance="b"}', "1x60"),
    ('portal_lease_seconds{job="portal-connector"}', "5x60"), ('portal_lease_seconds{job="portal-web"}', "0x60"),
    ('portal_lease_seconds{job="portal-worker"}', "0x60"), ('portal_instances{state="connected"}', "99x60"),
    ('portal_instances{state="disconnected"}', "1x60"), ("portal_instances_unplaced", "0x60"),
    ('portal_lease_changes_total{change="lost"}', "3x60"), ('portal_lease_changes_total{change="taken"}', "0+9x60"),
    ('portal_pin_seconds_count{outcome="acknowledged"}', "0+20x60"), ('portal_pins_total{heard="done"}', "0+20x60"),
    ('portal_pins_total{heard="not connected"}', "0+1x60"), ("portal_writer_queue", "20x60"),
    ("portal_webhook_lag_seconds", "0.5x60"), ("portal_schedule_lag_seconds", "1x60"),
    ('portal_webhook_attempts_total{outcome="delivered"}', "0+50x60"), ("portal_rate_limit_refusals_total", "0+10x60"),
    ("portal_busy_refusals_total", "0+10x60"),
]  # fmt: skip


# The same alert for another trouble.
ALSO: list[tuple[str, list[tuple[str, str]]]] = [
    ("PortalInstancesDown", [('portal_instances{state="connected"}', "80x60"),
                             ('portal_instances{state="connecting"}', "20x60")]),
    ("PortalPinsNotSent", [('portal_pins_total{heard="busy"}', "0+3x60"),
                           ('portal_pins_total{heard="done"}', "0+20x60")]),
]  # fmt: skip


def test_each_alert_has_its_trouble() -> None:
    assert {rule["alert"] for rule in RULES} == set(TROUBLE)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt install prometheus brings it")
def test_each_alert_goes_off_for_its_trouble_alone(tmp_path: Path) -> None:
    def case(series: list[tuple[str, str]], firing: dict[str, int]) -> dict[str, Any]:
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series],
            "promql_expr_test": [
                {"expr": f'count(ALERTS{{alertstate="firing", alertname="{alert}"}}) or vector(0)',
                 "eval_time": "55m", "exp_samples": [{"labels": "{}", "value": count}]}
                for alert, count in firing.items()
            ],
        }  # fmt: skip

    cases = [case(WELL, dict.fromkeys(TROUBLE, 0))]
    for alert, series in [*TROUBLE.items(), *ALSO]:
        named = {name.partition("{")[0] for name, _ in series}
        rest = [(name, values) for name, values in WELL if name.partition("{")[0] not in named]
        cases.append(case([*series, *rest], {alert: 1}))
    shutil.copy(DEPLOY / "alerts.yml", tmp_path)
    written = tmp_path / "alerts.test.yml"
    written.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "evaluation_interval": "30s", "tests": cases}))
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", written.name]):
        done = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


# --- How late the workers are ---------------------------------------------------


@pytest.fixture
def shop(db: None) -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")


def test_how_late_webhooks_are(shop: Instance) -> None:
    assert book.lag() == 0
    now = timezone.now()
    hook = Webhook.objects.create(instance=shop, url="http://127.0.0.1/", salt="s")
    event = OutgoingEvent.objects.create(instance=shop, uid=shop.uid, kind="test", at=now, body="{}", handed_out=True)
    late = now - timedelta(seconds=40)
    delivery = Delivery.objects.create(webhook=hook, event=event, due_at=late, give_up_at=now + timedelta(days=1))
    assert 40 <= book.lag() < 60
    Webhook.objects.update(active=False)
    assert book.lag() == 0, "what a person paused is not late"
    Webhook.objects.update(active=True)
    delivery.due_at = now + timedelta(seconds=60)
    delivery.save()
    assert book.lag() == 0


def test_how_late_planned_pins_are(shop: Instance) -> None:
    assert runner.lag() == 0
    message = make_message(shop, "3EB01")
    at = timezone.now() - timedelta(seconds=40)
    Schedule.objects.create(message=message, actor="Alice", step=Schedule.Step.PIN, due_at=at, try_at=at)
    assert 40 <= runner.lag() < 60
    Schedule.objects.update(state=Schedule.State.DONE)
    assert runner.lag() == 0


def test_a_database_that_is_away_is_no_fault_of_the_others() -> None:
    def away() -> float:
        raise DatabaseError

    gauge = Gauge("portal_test_lag", "For this test.", registry=None)
    metrics.ask(gauge, away)
    ((sample,),) = [metric.samples for metric in gauge.collect()]
    assert sample.value != sample.value, "not a number"
