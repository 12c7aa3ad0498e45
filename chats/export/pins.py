"""Pins as lines of a file."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from chats.export.formats import BOM, END, cell, iso

COLUMNS = (
    "state",
    "pinnedAt",
    "expiresAt",
    "duration",
    "by",
    "changedAt",
    "instance",
    "chatJid",
    "chatName",
    "messageId",
    "senderJid",
    "timestamp",
    "text",
)


def as_csv(pins: Iterable[Any]) -> Iterator[str]:
    """A heading and a line a pin."""
    yield BOM + ",".join(COLUMNS) + END
    for pin in pins:
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator=END).writerow(map(cell, _values(pin)))
        yield line.getvalue()


def _values(pin: Any) -> tuple[Any, ...]:
    message, chat = pin.message, pin.message.chat
    return (
        pin.state,
        iso(pin.pinned_at) if pin.pinned_at else None,
        iso(pin.expires_at) if pin.expires_at else None,
        pin.duration,
        pin.actor,
        iso(pin.changed_at),
        message.instance.name,
        chat.jid,
        chat.name,
        message.message_id,
        message.sender,
        iso(message.sent_at),
        "" if message.deleted_at else message.text,
    )
