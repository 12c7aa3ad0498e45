"""Whatever is sent: an answer from the contract, in its envelope."""

import json
import re
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.base import ApiTestCase

# What the contract lets pinMessage answer with 500, and nothing else.
ROWS = re.compile(
    r'message with ID .* not found|invalid duration ".*": use "24h", "7d" or "30d"|WhatsApp client is not connected',
    re.DOTALL,
)
text = st.text(st.characters(exclude_categories=[]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=10,
)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "pin": st.booleans() | values,
        "messageId": st.sampled_from(["3EB0", "", " "]) | text | values,
        "duration": st.sampled_from(["24h", "7d", "30d", "1h"]) | text | values,
        "chatJid": st.sampled_from(["5511999999999@s.whatsapp.net", ""]) | text | values,
        "other": values,
    },
)
bodies = st.one_of(
    wishes.map(lambda wish: json.dumps(wish).encode()),
    values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=200),
)
anything = text.map(lambda name: name.encode("utf-8", "replace").decode())
names = st.sampled_from(["shop", "desk", "", " "]) | anything


class AnyBody(ApiTestCase):
    """One message in Alice's shop. All examples of a test share one transaction, which they do not mind."""

    def setUp(self) -> None:
        super().setUp()
        self.make_message("3EB0")

    def test_any_body(self) -> None:
        @settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
        @given(body=bodies)
        def check(body: bytes) -> None:
            self.look_at(self.ask("/api/chat/pinMessage/shop", body, token=self.alice))

        check()

    def test_any_name_and_any_token(self) -> None:
        @settings(deadline=None, max_examples=150)
        @given(name=names, token=st.one_of(st.none(), text), scheme=st.sampled_from(["", "Bearer ", "Basic "]))
        def check(name: str, token: str | None, scheme: str) -> None:
            headers = {}
            if token is not None:
                # What a header can carry at all.
                headers["authorization"] = scheme + token.encode("latin-1", "replace").decode("latin-1")
            response = self.ask(f"/api/chat/pinMessage/{quote(name)}", b"", **headers)
            assert response.status_code in (400, 401, 404)

        check()

    def ask(self, path: str, body: bytes, **more: Any) -> Any:
        with (
            patch("chats.pins.pin"),
            patch("chats.pins.unpin"),
            self.settings(API_RATE="1000000/m"),
            self.assertNoLogs("portal.rest", "ERROR"),
        ):
            return self.post(path, body, **more)

    def look_at(self, response: Any) -> None:
        answer = response.json()
        if response.status_code == 200:
            assert answer["pinned"] is ("duration" in answer)
        elif response.status_code == 400:
            words = answer["error"]["message"]
            assert words == "messageId is required" or words.startswith("Invalid request body: ")
        else:
            assert response.status_code == 500
            assert ROWS.fullmatch(answer["error"]["message"])
