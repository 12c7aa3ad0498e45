"""Messages as lines of a file.

In both formats a message ends with CR LF, and no other CR stands anywhere: in
CSV those of a text are taken out, in JSON they are escaped. So whoever reads
along can count (static/js/export.js).
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chats.models import Message

COLUMNS = (
    "timestamp",
    "instance",
    "chatJid",
    "chatName",
    "senderJid",
    "senderName",
    "fromMe",
    "type",
    "text",
    "messageId",
    "quotedId",
    "editedAt",
)
# A spreadsheet takes a cell that begins so for a formula, which can send the
# other cells away (OWASP, "CSV Injection"; the wide forms are read by some as well).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # meant
# Where the list separator is a semicolon (Brazil, most of Europe), spreadsheets cut our lines there and at line breaks,
# whatever the quotation marks say: what follows is the beginning of a cell as well. "- " begins a line of many lists.
_CUT = re.compile('([;\\t]["\\t ]{0,8})(?=[=+@＝＋－＠-])|(\n["\\t ]{0,8})(?=[=@＝＠]|[+＋－-]\\S)')  # noqa: RUF001  # meant
END = "\r\n"
# Without it Excel takes UTF-8 for the code page of old.
BOM = "\ufeff"

Batches = Iterable[list[Message]]


def record(message: Message, instances: dict[int, str]) -> dict[str, Any]:
    """One message, under the names the API has for it. `instances`: names by primary key."""
    return {
        "timestamp": iso(message.sent_at),
        "instance": instances[message.instance_id],
        "chatJid": message.chat.jid,
        "chatName": message.chat.name,
        "senderJid": message.sender,
        "senderName": message.sender_name,
        "fromMe": message.from_me,
        "type": message.kind,
        "text": message.text,
        "messageId": message.message_id,
        "quotedId": message.quoted_id or None,
        "editedAt": iso(message.edited_at) if message.edited_at else None,
    }


def as_csv(batches: Batches, instances: dict[int, str]) -> Iterator[str]:
    """A heading and a line a message, for spreadsheets in any language."""
    yield BOM + ",".join(COLUMNS) + END
    for batch in batches:
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, lineterminator=END)
        writer.writerows([cell(value) for value in record(message, instances).values()] for message in batch)
        yield lines.getvalue()


def as_json(batches: Batches, instances: dict[int, str]) -> Iterator[str]:
    """One object. `count` stands at its end: a file without it is not whole."""
    yield '{"success": true, "messages": ['
    count = 0
    for batch in batches:
        lines = []
        for message in batch:
            lines.append(f"{',' if count else ''}{END}{json.dumps(record(message, instances), ensure_ascii=False)}")
            count += 1
        yield "".join(lines)
    yield f'\n], "count": {count}}}\n'


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file."""

    content_type: str
    write: Callable[[Batches, dict[int, str]], Iterator[str]]
    # Lines before the first message.
    heading: int


FORMATS = {
    "csv": Format("text/csv; charset=utf-8", as_csv, 1),
    "json": Format("application/json", as_json, 0),
}


def cell(value: object) -> str:
    """A value as a spreadsheet may see it: an apostrophe before what it would calculate."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    text = _CUT.sub(r"\g<0>'", text)
    return f"'{text}" if text.startswith(FORMULA) else text


def iso(at: datetime) -> str:
    """A time in ISO 8601, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
