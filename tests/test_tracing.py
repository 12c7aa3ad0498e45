"""X-Request-ID: in every answer, every log line about the request, the audit, and across NATS."""

import json
import logging
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from instances.whatsapp.service import Link
from portal import tracing
from portal.broker import Broker
from portal.models import AuditLine
from portal.supervisor import child
from tests.base import ApiTestCase

MADE = re.compile(r"[0-9a-f]{32}")


class Answers(ApiTestCase):
    def named(self, response: Any) -> str:
        return str(response.headers[tracing.HEADER])

    def test_every_answer_has_one(self) -> None:
        answers = [
            self.call("GET", "/api/instance/list", token=self.alice),
            self.call("GET", "/api/instance/list"),
            self.call("GET", "/api/nothing"),
            self.client.get("/sign-in/"),
            self.client.get("/healthz"),
            self.client.get("/nothing"),
        ]
        names = [self.named(answer) for answer in answers]
        assert all(MADE.fullmatch(name) for name in names)
        assert len(set(names)) == len(names)

    def test_the_callers_own(self) -> None:
        assert self.named(self.call("GET", "/api/instance/list", x_request_id="order-77:a")) == "order-77:a"

    def test_one_that_is_not_sane_is_replaced(self) -> None:
        for given_name in ("", "a b", "a\tb", "<b>", "é", "x" * 65, '"', "{}"):
            answer = self.call("GET", "/api/instance/list", x_request_id=given_name)
            assert MADE.fullmatch(self.named(answer)), given_name

    @override_settings(API_RATE="1/m")
    def test_refusals_and_faults_too(self) -> None:
        with patch("portal.rest.call.find_token", side_effect=ValueError), self.assertLogs("portal.rest") as logs:
            logs_of = self.call("GET", "/api/instance/list", token=self.alice, x_request_id="fault-1")
        assert (logs_of.status_code, self.named(logs_of)) == (500, "fault-1")
        assert logs.records
        answer = self.call("GET", "/api/instance/list", x_request_id="over")
        assert (answer.status_code, self.named(answer)) == (429, "over")

    def test_the_audit(self) -> None:
        link = Link("", True, "connected", "")
        with patch("instances.whatsapp.service.connect", return_value=link), patch("instances.api.TAKE_UP_SECONDS", 0):
            self.call("GET", "/api/instance/connect/shop", token=self.alice, x_request_id="audit-1")
        assert AuditLine.objects.get().request_id == "audit-1"

    def test_nothing_is_left_behind(self) -> None:
        self.call("GET", "/api/instance/list", x_request_id="one")
        assert tracing.request_id() == ""


def record(message: str = "it happened", **more: object) -> logging.LogRecord:
    made = logging.LogRecord("portal.test", logging.INFO, __file__, 1, message, (), None)
    made.__dict__.update(more)
    tracing.Named().filter(made)
    return made


def test_a_log_line_names_its_request() -> None:
    def line() -> tuple[str, dict[str, str]]:
        tracing.go_on("req-1")
        plain = logging.Formatter("{levelname} {name}:{about} {message}", style="{").format(record())
        return plain, json.loads(tracing.JsonLines().format(record()))

    with ThreadPoolExecutor(1) as pool:
        plain, structured = pool.submit(line).result()
    assert plain == "INFO portal.test: [req-1] it happened"
    assert (structured["request_id"], structured["message"], structured["level"]) == ("req-1", "it happened", "INFO")
    assert "request_id" not in json.loads(tracing.JsonLines().format(record()))


def test_a_traceback_is_one_line_too() -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        text = tracing.JsonLines().format(record(exc_info=sys.exc_info()))
    assert "\n" not in text
    assert "ValueError: wrong" in json.loads(text)["exception"]


class RefusedRow(Exception):
    """As psycopg's are: what PostgreSQL says, with the row it is about."""

    diag = SimpleNamespace(message_detail="Failing row contains (1, come to the back door at nine).")


@pytest.mark.parametrize("formatter", [logging.Formatter(), tracing.Lines(), tracing.JsonLines()], ids=type)
def test_a_refused_row_is_not_quoted(formatter: logging.Formatter) -> None:
    try:
        try:
            raise RefusedRow(f"a value is missing\nDETAIL:  {RefusedRow.diag.message_detail}")
        except RefusedRow as error:
            raise IntegrityError(*error.args) from error
    except IntegrityError:
        text = formatter.format(record(exc_info=sys.exc_info()))
    assert "a value is missing" in text
    assert ("back door" in text) == (type(formatter) is logging.Formatter), "Python's own shows what is to be left out"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite quotes no rows")
def test_a_row_that_postgresql_refuses() -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO instances_account (name) VALUES (%s)", [RefusedRow.diag.message_detail])
    except IntegrityError:
        text = tracing.Lines().format(record(exc_info=sys.exc_info()))
    assert "violates" in text
    assert "back door" not in text


@given(st.text())
def test_whatever_is_logged_is_one_line_of_json(message: str) -> None:
    text = tracing.JsonLines().format(record(message))
    assert "\n" not in text
    assert json.loads(text)["message"] == message


def test_the_run_command_leaves_json_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _, data: written.append(data))
    child.say("web", '{"message": "x"}')
    monkeypatch.setenv("LOG_FORMAT", "json")
    child.say("web", '{"message": "x"}')
    child.say("run", "started")
    assert written[0] == b'web       | {"message": "x"}\n'
    assert [json.loads(line) for line in written[1:]] == [{"message": "x"}, {"process": "run", "message": "started"}]


def test_it_travels_over_nats(nats_url: str) -> None:
    asking, answering = Broker(nats_url, "asks"), Broker(nats_url, "answers")
    pool = ThreadPoolExecutor(1)

    async def handler(subject: str, payload: dict[str, object]) -> dict[str, object]:
        loop = answering.loop
        on_a_thread = await loop.run_in_executor(pool, tracing.carried(tracing.request_id))
        return {"payload": payload, "name": tracing.request_id(), "on_a_thread": on_a_thread}

    def ask(name: str) -> dict[str, object]:
        tracing.go_on(name)
        return asking.request("tracing.test", {"a": 1}, 30)

    try:
        answering.run(answering.subscribe("tracing.test", handler))
        with ThreadPoolExecutor(1) as caller:
            for name in ("req-1", "", "req-2"):
                answer = caller.submit(ask, name).result()
                assert answer == {"payload": {"a": 1}, "name": name, "on_a_thread": name}
    finally:
        asking.close()
        answering.close()


def test_a_log_line_names_its_instance_and_its_pin() -> None:
    def lines() -> list[dict[str, str]]:
        with tracing.about(instance="i-1"):
            outer = record()
            with tracing.about(pin="p-1"):
                inner = ThreadPoolExecutor(1).submit(tracing.carried(record)).result()
        return [json.loads(tracing.JsonLines().format(one)) for one in (outer, inner, record())]

    outer, inner, after = lines()
    assert (outer["instance"], "pin" in outer) == ("i-1", False)
    assert (inner["instance"], inner["pin"]) == ("i-1", "p-1"), "on another thread too"
    assert "instance" not in after


def test_the_web_server_tells_of_no_token_in_an_address(caplog: pytest.LogCaptureFixture) -> None:
    """As uvicorn itself logs a WebSocket, by the filter that the settings give its logger."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "10.0.0.1:5", "/ws/shop?token=wap_s")
    assert caplog.messages == ['10.0.0.1:5 - "WebSocket /ws/shop" [accepted]']
