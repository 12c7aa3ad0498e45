"""The kinds of events, and how one looks to whoever receives it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from instances.models import Instance

MESSAGE = "message.exchange"
STATUS = "message.status"
STATE = "instance.state"
GROUP = "group.flow"
PIN = "message.pin"
BATCH = "pin.batch"
RULE = "pin.rule"
SCHEDULE = "pin.schedule"
KINDS = (MESSAGE, STATUS, STATE, GROUP, PIN, BATCH, RULE, SCHEDULE)
# Sent to one address alone, when somebody asks for it.
TEST = "webhook.test"


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    `key` names it within its kind, and the id is made of that: whoever hears
    of it twice, by a webhook and on the WebSocket say, sees the same id.
    """

    instance: Instance
    kind: str
    key: str
    data: Mapping[str, Any]
    # What it is about (a chat): two events of one thing are never under way to an address at once.
    about: str = ""
    at: datetime = field(default_factory=timezone.now)

    @property
    def uid(self) -> UUID:
        """Its id, the same whenever it is asked for."""
        return uuid5(self.instance.uid, f"{self.kind}:{self.key}")

    @cached_property
    def body(self) -> str:
        """As receivers get it, to the byte: what is signed and what is sent again."""
        whole = {
            "id": str(self.uid),
            "event": self.kind,
            "instance": self.instance.name,
            "timestamp": self.at,
            "data": self.data,
        }
        return json.dumps(whole, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
