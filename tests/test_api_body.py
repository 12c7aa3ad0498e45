"""Reading the body: what is wrong with it, in words a person can act on."""

import json

from django.test import override_settings

from tests.base import ApiTestCase

GOOD = b'{"pin": false, "messageId": "3EB0"}'
MIB = 1024 * 1024


class BodyTestCase(ApiTestCase):
    def send(self, body: bytes, **headers: str) -> tuple[int, str]:
        response = self.post("/api/chat/pinMessage/shop", body, token=self.alice, **headers)
        return response.status_code, json.loads(response.content)["error"]["message"]

    def refused(self, body: bytes, what: str, **headers: str) -> None:
        assert self.send(body, **headers) == (400, f"Invalid request body: {what}")

    def understood(self, body: bytes, **headers: str) -> None:
        """It came as far as the message, which does not exist."""
        assert self.send(body, **headers) == (500, "message with ID 3EB0 not found")


class Accepted(BodyTestCase):
    def test_it_works(self) -> None:
        self.understood(GOOD)

    def test_whatever_the_content_type_says(self) -> None:
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/json; a=b",
            "",
        ):
            self.understood(GOOD, content_type=kind)

    def test_a_byte_order_mark(self) -> None:
        self.understood(b"\xef\xbb\xbf" + GOOD)

    def test_one_mebibyte(self) -> None:
        self.understood(GOOD + b" " * (MIB - len(GOOD)))

    def test_huge_numbers_and_deep_nesting_where_nobody_looks(self) -> None:
        self.understood(b'{"x": 1e999, "y": -0, "z": ' + b"9" * 4000 + b', "pin": false, "messageId": "3EB0"}')
        self.understood(b'{"x": ' + b"[" * 100 + b"]" * 100 + b', "pin": false, "messageId": "3EB0"}')

    def test_a_pair_of_surrogates_is_a_character(self) -> None:
        body = b'{"pin": false, "messageId": "\\ud83d\\ude00"}'
        assert self.send(body) == (500, "message with ID 😀 not found")


class Refused(BodyTestCase):
    def test_empty(self) -> None:
        for body in (b"", b" \r\n"):
            self.refused(body, "it is empty, send a JSON object")

    def test_not_json(self) -> None:
        self.refused(b"nonsense", "not valid JSON: Expecting value (line 1, column 1)")
        self.refused(b'{"pin": false,\n "messageId": }', "not valid JSON: Expecting value (line 2, column 15)")
        self.refused(b"pin=false&messageId=3EB0", "not valid JSON: Expecting value (line 1, column 1)")
        self.refused(GOOD + b"{}", f"not valid JSON: Extra data (line 1, column {len(GOOD) + 1})")

    def test_not_an_object(self) -> None:
        kinds = {b"[]": "an array", b'"x"': "a string", b"7": "a number", b"null": "null", b"true": "true or false"}
        for body, kind in kinds.items():
            self.refused(body, f"it must be a JSON object, not {kind}")

    def test_no_numbers_that_json_does_not_have(self) -> None:
        for name in ("NaN", "Infinity", "-Infinity"):
            self.refused(b'{"x": ' + name.encode() + b"}", f"not valid JSON: {name} is no JSON value")

    def test_a_key_twice(self) -> None:
        body = b'{"pin": true, "pin": false, "messageId": "3EB0"}'
        self.refused(body, 'the key "pin" stands in it more than once')
        self.refused(b'{"x": [{"\\ud800": 1, "\\ud800": 2}]}', 'the key "\\ud800" stands in it more than once')

    def test_many_keys_twice(self) -> None:
        """No square of their number."""
        keys = ",".join(f'"{n}":0' for n in range(60_000))
        self.refused(f'{{{keys},"59999":1}}'.encode(), 'the key "59999" stands in it more than once')

    def test_nested_too_deeply(self) -> None:
        for nested in (b"[" * MIB, b'{"x":' * 100_000, b"[" * 50_000 + b"]" * 50_000):
            self.refused(nested, "it is nested too deeply")

    def test_a_number_too_long_to_convert(self) -> None:
        self.refused(b'{"x": ' + b"9" * 5000 + b"}", "it contains a number of 5000 digits")

    def test_not_utf_8(self) -> None:
        self.refused(b'{"x": "\xff"}', "it is not UTF-8 text (byte 8)")
        self.refused(json.dumps({"pin": False}).encode("utf-16"), "it is not UTF-8 text (byte 1)")

    def test_compressed(self) -> None:
        self.refused(GOOD, "send it uncompressed, without Content-Encoding", content_encoding="gzip")
        self.understood(GOOD, content_encoding="identity")

    def test_too_large(self) -> None:
        self.refused(GOOD + b" " * (MIB - len(GOOD) + 1), "it is larger than 1 MiB")
        with override_settings(API_MAX_BODY=100):
            self.refused(b" " * 101, "it is larger than 100 bytes")

    def test_a_length_that_says_too_much_is_believed_at_once(self) -> None:
        for length in ("1048577", "9" * 30, "9" * 5000):
            self.refused(GOOD, "it is larger than 1 MiB", content_length=length)

    def test_a_length_that_is_none(self) -> None:
        """Servers stop it; whatever comes through is no fault of ours."""
        for length in ("-1", "x", "1e9", "²"):
            assert self.send(GOOD, content_length=length)[0] == 400
