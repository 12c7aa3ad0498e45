"""What a log line is about: the request, in its answer and in the audit too; and the instance and the pin.

It travels to the connector with each command (`portal.broker`), so that what a
caller quotes from an answer finds the lines of both processes.
"""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"
# What a caller may call their request: it stands in log lines and in a header.
SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")
_facts: ContextVar[Mapping[str, str]] = ContextVar("facts", default=MappingProxyType({}))
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def request_id() -> str:
    """The present request's name; empty outside of one."""
    return _current.get()


def named(given: str) -> str:
    """The caller's own name for a request where it is sane, else one that is made."""
    return given if SANE.fullmatch(given) else uuid4().hex


def go_on(name: object) -> None:
    """Let this context be about the request of that name, which another process told."""
    _current.set(name if isinstance(name, str) and SANE.fullmatch(name) else "")


@contextmanager
def on_behalf_of(name: str) -> Iterator[None]:
    """Let what happens within be about the request of that name."""
    before = _current.set(name)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """Let log lines within say what they are about, in fields of their own: `instance`, `pin`."""
    before = _facts.set({**_facts.get(), **facts})
    try:
        yield
    finally:
        _facts.reset(before)


def carried(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`work`, to be called on another thread, which otherwise would not know what it works for."""
    return partial(copy_context().run, work)


class Tracing:
    """The outermost middleware: names each request and each answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name one, and its answer."""
        name = named(request.headers.get(HEADER, ""))
        with on_behalf_of(name):
            response = self.get_response(request)
        response.headers[HEADER] = name
        return response


class NoQueries(logging.Filter):
    """Cuts what stands behind the "?" of an address in a log line: it may be a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every line passes."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) and arg.startswith("/") else arg for arg in record.args
            )
        return True


class Named(logging.Filter):
    """Gives each log record the name of the request it is about, and the other facts."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        record.request_id = name = _current.get()
        record.facts = _facts.get()
        record.about = f" [{name}]" if name else ""
        return True


class Lines(logging.Formatter):
    """Log lines without the row that PostgreSQL refused: it quotes what people wrote."""

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback."""
        text = super().formatException(ei)
        for error in _behind(ei[1]):
            if row := getattr(getattr(error, "diag", None), "message_detail", None):
                text = text.replace(row, "(what is in the row is left out)")
        return text


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class JsonLines(Lines):
    """One JSON object a line, for whoever collects logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, process, level, logger, message; request, instance, pin and traceback where there is one."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "process": os.environ.get("PROCESS_NAME", "portal"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if name := getattr(record, "request_id", ""):
            line["request_id"] = name
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
