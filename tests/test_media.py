"""Files behind messages: what is believed of them, where they are kept, who gets them and how."""

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings
from django.test import override_settings
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from chats.media import cache, fetch, trying, view_of
from chats.media.reference import Reference, reference_of
from chats.models import Message
from instances.whatsapp import downloads, errors, service
from tests.base import ApiTestCase
from tests.page_base import PageTestCase
from tests.portal_process import ROOT

CONTENT = b"\x89PNG\r\n\x1a\n and so on"
PATH = "/v/t62.7118-24/1_n.enc?ccb=11-4&oh=01_ab&oe=6A00&_nc_sid=5e03e0"


def described(**more: Any) -> dict[str, Any]:
    """What the adapter keeps of an image."""
    return {
        "mimetype": "image/png",
        "length": len(CONTENT),
        "path": PATH,
        "key": "11" * 32,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "encrypted_sha256": "22" * 32,
        **more,
    }


class MediaTestCase(PageTestCase, ApiTestCase):
    """Alice's shop has got a picture; the connector is a stand-in that "fetches" it from WhatsApp."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        folders = override_settings(MEDIA_DIR=Path(folder.name) / "media")
        folders.enable()
        self.addCleanup(folders.disable)
        self.picture = self.make_file("A")
        self.fetched = 0
        patch = mock.patch.object(service, "fetch_media", self.fetch)
        patch.start()
        self.addCleanup(patch.stop)

    def make_file(self, message_id: str, kind: str = Message.Kind.IMAGE, **data: Any) -> Message:
        message = self.make_message(message_id)
        message.kind, message.data, message.text = kind, described(**data), ""
        message.save()
        return message

    def fetch(self, instance: Any, pk: int) -> int:
        self.fetched += 1
        message = Message.objects.get(pk=pk, instance=instance)
        with cache.Partial(cache.path_of(message, reference_of(message))) as partial:
            partial.write(CONTENT)
            partial.keep()
        return len(CONTENT)


class WhatIsBelieved(MediaTestCase):
    def refused(self, **data: Any) -> type[Exception] | None:
        try:
            reference_of(Message(kind="image", data=described(**data), sent_at=self.picture.sent_at))
        except errors.MediaError as error:
            return type(error)
        return None

    def test_it_works(self) -> None:
        reference = reference_of(self.picture)
        assert (reference.path, reference.key) == (PATH, b"\x11" * 32)
        assert (reference.inline_type, reference.length) == ("image/png", len(CONTENT))
        assert "\\x11" not in repr(reference), "no log shows the key"

    def test_paths_that_lead_elsewhere(self) -> None:
        for path in (
            *("", "v/x", "//evil.example/x", "/v//x", "/v/../x", "@evil.example/", ":443@evil/x", "/v/x\r\nHost: evil"),
            *("/v/x#y", "/v/x y", "/v/\u0445", "/v/x?y\nz", "\\evil", "/v/" + "x" * 500, "/v/x?" + "y" * 700),
        ):
            assert self.refused(path=path) is errors.NoMedia, path
        for path in (PATH, "/o1/v/t24/f2/m231/AQ-x_y?ccb=9-4&oh=01_Q5&oe=67&_nc_sid=e6ed6c", "/m1/v/t24/An-8?ccb=10-5"):
            assert self.refused(path=path) is None, path

    def test_no_path_changes_the_host(self) -> None:
        """The library puts it behind the host's name as it is."""
        pieces = [
            "/",
            "\\",
            "@",
            ":",
            "?",
            "#",
            "..",
            ".",
            "%2f",
            "%00",
            "\r\n",
            "\t",
            " ",
            "evil.example",
            "v",
            "é",
            "&",
            "//",
        ]
        believed = []

        @settings_of(max_examples=400, deadline=None, database=None)
        @given(st.one_of(st.lists(st.sampled_from(pieces)).map("".join).map("/v".__add__), st.text(max_size=80)))
        def tried(path: str) -> None:
            row = Message(kind=Message.Kind.IMAGE, data=described(path=path), sent_at=datetime.now(UTC))
            try:
                found = reference_of(row).path
            except errors.NoMedia:
                return
            url = urlsplit(f"https://media.example{found}&hash=x")
            assert (url.hostname, url.port, url.username, url.fragment) == ("media.example", None, None, "")
            believed.append(found)

        tried()
        assert believed

    def test_keys_and_hashes_that_are_none(self) -> None:
        for name in ("key", "sha256", "encrypted_sha256"):
            for value in ("", "11", "zz" * 32, "11" * 33, None, 7):
                assert self.refused(**{name: value}) is errors.NoMedia, (name, value)
        # Of a channel: not encrypted.
        assert self.refused(key="", encrypted_sha256="") is None

    def test_too_large_and_once_only(self) -> None:
        with override_settings(MEDIA_MAX_BYTES=10):
            assert self.refused(length=10) is None
            assert self.refused(length=11) is errors.MediaTooLarge
        assert self.refused(viewOnce=True) is errors.ViewOnce

    def test_what_may_be_shown_in_a_page(self) -> None:
        for kind, mimetype, shown in (
            ("image", "image/jpeg", True),
            ("image", "image/png; charset=x", True),
            ("image", "image/svg+xml", False),
            ("image", "text/html", False),
            ("image", "video/mp4", False),
            ("document", "image/png", False),
            ("document", "application/pdf", False),
            ("voice", "audio/ogg; codecs=opus", True),
            ("video", "video/mp4", True),
        ):
            message = Message(kind=kind, data=described(mimetype=mimetype), sent_at=self.picture.sent_at)
            assert bool(reference_of(message).inline_type) == shown, (kind, mimetype)


class AnyName(HypothesisTestCase):
    @given(name=st.text(max_size=300), mimetype=st.text(max_size=30), path=st.text(max_size=60))
    def test_it_works(self, name: str, mimetype: str, path: str) -> None:
        data = described(fileName=name, mimetype=mimetype)
        message = Message(kind="document", data=data, sent_at=datetime(2026, 1, 1, tzinfo=UTC))
        found: Reference = reference_of(message)
        assert found.name
        assert not set(found.name) & set('/\\:*?"<>|\r\n\0\u202e')
        assert not found.name.startswith(".")
        assert len(found.name.encode()) <= 150
        assert found.inline_type == ""
        message.data["path"] = path
        try:
            kept = reference_of(message).path
        except errors.NoMedia:
            return
        assert kept.startswith("/")
        assert not set("@#\\\r\n :") & set(kept)


class TheCache(MediaTestCase):
    def files(self) -> list[Path]:
        return [path for path in settings.MEDIA_DIR.glob("*/*")]

    def test_it_works(self) -> None:
        found = fetch.open_media(self.picture)
        assert found.path.read_bytes() == CONTENT
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(found.path.parent.stat().st_mode) == 0o700
        fetch.open_media(self.picture)
        assert self.fetched == 1

    def test_what_was_looked_at_least_lately_goes_first(self) -> None:
        messages = [self.make_file(f"M{number}") for number in range(3)]
        for age, message in enumerate(messages):
            path = fetch.open_media(message).path
            past = path.stat().st_mtime - 100 + age
            os.utime(path, (past, past))
        fetch.open_media(messages[0])
        with override_settings(MEDIA_CACHE_BYTES=3 * len(CONTENT)):
            fetch.open_media(self.picture)
        assert [view_of(one).here for one in (*messages, self.picture)] == [True, False, True, True]

    def test_one_larger_than_the_whole_cache_is_still_given(self) -> None:
        with override_settings(MEDIA_CACHE_BYTES=1):
            assert fetch.open_media(self.picture).path.read_bytes() == CONTENT

    def test_half_a_file_is_none(self) -> None:
        path = cache.path_of(self.picture, reference_of(self.picture))
        try:
            with cache.Partial(path) as partial:
                partial.write(b"half")
                raise OSError
        except OSError:
            pass
        assert self.files() == []

    def test_deleted_messages_and_instances_leave_no_files(self) -> None:
        kept, retained, deleted = self.picture, self.make_file("R"), self.make_file("D")
        for message in (kept, retained, deleted):
            fetch.open_media(message)
        (settings.MEDIA_DIR / "999").mkdir()
        (settings.MEDIA_DIR / "999" / "1-ab").write_bytes(b"x")
        retained.delete()
        Message.objects.filter(pk=deleted.pk).update(deleted_at=kept.sent_at + timedelta(days=1))
        assert cache.forget_gone() == 3
        assert [path.name.partition("-")[0] for path in self.files()] == [str(kept.pk)]
        cache.forget_instance(self.shop.pk)
        assert self.files() == []


class OnAnotherMachine(MediaTestCase):
    """The connector's cache is elsewhere, so that the file comes over in pieces."""

    def setUp(self) -> None:
        super().setUp()
        self.content = bytes(range(256)) * 5_000
        digest = hashlib.sha256(self.content).hexdigest()
        self.picture = self.make_file("BIG", sha256=digest, length=len(self.content))
        self.pieces = 0
        self.given = self.content
        for name, stand_in in (("fetch_media", self.elsewhere), ("media_piece", self.piece)):
            patch = mock.patch.object(service, name, stand_in)
            patch.start()
            self.addCleanup(patch.stop)

    def elsewhere(self, instance: Any, pk: int) -> int:
        return len(self.content)

    def piece(self, instance: Any, pk: int, offset: int) -> str:
        self.pieces += 1
        return base64.b64encode(self.given[offset : offset + downloads.PIECE_BYTES]).decode()

    def test_it_works(self) -> None:
        assert fetch.open_media(self.picture).path.read_bytes() == self.content
        assert self.pieces == 3
        fetch.open_media(self.picture)
        assert self.pieces == 3

    def test_a_piece_fits_into_one_message(self) -> None:
        reply = json.dumps({"piece": self.piece(self.shop, 0, 0)})
        assert len(reply) < 1024 * 1024

    def test_what_is_short_or_altered_is_not_kept(self) -> None:
        for given_ in (self.content[:-1], b"x" + self.content[1:]):
            self.given = given_
            with self.assertRaises(errors.MediaBroken):
                fetch.open_media(self.picture)
        assert list(settings.MEDIA_DIR.glob("*/*")) == []


class ThePage(MediaTestCase):
    def address(self, message: Message, end: str = "") -> str:
        return f"/messages/{message.pk}/file/{end}"

    def test_it_works(self) -> None:
        page = self.open("vera", self.address(self.picture, "show/"))
        assert f'<img src="/messages/{self.picture.pk}/file/"' in page.content.decode()
        answer = self.open("vera", self.address(self.picture))
        assert b"".join(answer.streaming_content) == CONTENT
        assert answer["Content-Type"] == "image/png"
        assert answer["Content-Disposition"].startswith("inline")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert "no-store" in answer["Cache-Control"]
        assert self.fetched == 1

    def test_what_a_browser_could_run_is_saved_instead(self) -> None:
        for kind, mimetype, name in (
            ("document", "text/html", "x.html"),
            ("image", "image/svg+xml", "x.svg"),
            ("document", "application/pdf", "x.pdf"),
        ):
            message = self.make_file(name, kind, mimetype=mimetype, fileName=name)
            assert "<img" not in self.open("bob", self.address(message, "show/")).content.decode()
            answer = self.open("bob", self.address(message))
            assert answer["Content-Type"] == "application/octet-stream"
            assert answer["Content-Disposition"] == f'attachment; filename="{name}"'

    def test_it_is_not_fetched_before_somebody_asks(self) -> None:
        page = self.open("bob", f"/chats/{self.picture.chat_id}/").content.decode()
        assert f"/messages/{self.picture.pk}/file/show/" in page
        assert "<img" not in page
        fetch.open_media(self.picture)
        assert "<img" in self.open("bob", f"/chats/{self.picture.chat_id}/").content.decode()

    def test_why_not(self) -> None:
        for error, again in ((errors.MediaGone(), True), (errors.NotConnected(), True), (errors.MediaBusy(), True)):
            with mock.patch.object(service, "fetch_media", side_effect=error):
                page = self.open("bob", self.address(self.picture, "show/")).content.decode()
                assert str(error).replace("'", "&#x27;") in page
                assert ("Try again" in page) == again
                answer = self.open("bob", self.address(self.picture))
                assert (answer.status_code, answer.content.decode()) == (404, str(error))
        once = self.make_file("ONCE", viewOnce=True)
        page = self.open("bob", f"/chats/{once.chat_id}/").content.decode()
        assert "to be seen once" in page
        assert f"/messages/{once.pk}/file/show/" not in page

    def test_a_range_behind_the_end(self) -> None:
        self.become("vera")
        answer = self.client.get(self.address(self.picture), headers={"Range": "bytes=9999-"})
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
        assert answer.content == b""

    def test_strangers_get_nothing_and_ask_whatsapp_for_nothing(self) -> None:
        fetch.open_media(self.picture)
        other = self.make_file("OTHER")
        for message in (self.picture, other):
            for end in ("", "show/"):
                for who, status in (("charlie", 404), ("nobody", 404), ("", 302)):
                    answer = self.open(who, self.address(message, end))
                    assert answer.status_code == status, (who, end)
                    assert CONTENT not in answer.content
        assert self.fetched == 1

    def test_no_page_holds_the_key(self) -> None:
        for path in (f"/chats/{self.picture.chat_id}/", "/search/?q=type:image", self.address(self.picture, "show/")):
            page = self.open("alice", path).content.decode()
            assert "11" * 32 not in page
            assert "t62.7118" not in page


class TheApi(MediaTestCase):
    def get(self, message_id: str, token: str | None = None, **parameters: str) -> Any:
        self.client.logout()
        query = {"messageId": message_id, **parameters}
        headers = {"token": self.alice if token is None else token} if token != "" else {}
        return self.client.get("/api/chat/media/shop", query, headers=headers)

    def test_it_works(self) -> None:
        answer = self.get("A")
        assert b"".join(answer.streaming_content) == CONTENT
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["Cache-Control"] == "private, no-store"
        assert "X-RateLimit-Remaining" in answer.headers

    def test_a_range(self) -> None:
        self.client.logout()
        for span, status, content in (
            ("bytes=0-3", 206, CONTENT[:4]),
            ("bytes=4-", 206, CONTENT[4:]),
            ("bytes=-3", 206, CONTENT[-3:]),
            ("bytes=4-9999", 206, CONTENT[4:]),
            ("bytes=3-1", 200, CONTENT),
            ("bytes=0-1,3-4", 200, CONTENT),
            ("lines=1-2", 200, CONTENT),
        ):
            headers = {"token": self.alice, "Range": span}
            answer: Any = self.client.get("/api/chat/media/shop", {"messageId": "A"}, headers=headers)
            assert (answer.status_code, b"".join(answer.streaming_content)) == (status, content), span

    def test_a_range_behind_the_end(self) -> None:
        """Was red: "Bad request"."""
        size = len(CONTENT)
        self.client.logout()
        for span in (f"bytes={size}-", "bytes=9999-", "bytes=-0"):
            headers = {"token": self.alice, "Range": span}
            answer: Any = self.client.get("/api/chat/media/shop", {"messageId": "A"}, headers=headers)
            self.assert_error(answer, 416, f"The range begins behind the end of the file: it has {size} bytes")
            assert answer["Content-Range"] == f"bytes */{size}"

    def test_no_message_named(self) -> None:
        for message_id in ("", " "):
            self.assert_error(self.get(message_id), 400, "messageId is required")

    def test_no_such_message(self) -> None:
        self.assert_error(self.get("Z"), 404, "message with ID Z not found")

    def test_one_id_in_two_chats(self) -> None:
        self.make_message("A", chat="5511888888888@s.whatsapp.net")
        self.assert_error(self.get("A"), 409, "message with ID A exists in more than one chat: send chatJid")
        assert self.get("A", chatJid=self.picture.chat.jid).status_code == 200

    def test_a_message_without_a_file(self) -> None:
        self.make_message("TEXT")
        self.assert_error(self.get("TEXT"), 404, "There is no file behind this message")

    def test_each_reason_has_its_status(self) -> None:
        for error, status in (
            (errors.ViewOnce(), 403),
            (errors.MediaTooLarge(), 413),
            (errors.MediaTooHeavy(), 413),
            (errors.MediaGone(), 410),
            (errors.MediaBroken(), 502),
            (errors.MediaUnreachable(), 504),
            (errors.MediaBusy(), 503),
            (errors.NotConnected(), 503),
        ):
            with mock.patch.object(service, "fetch_media", side_effect=error):
                self.assert_error(self.get("A"), status, str(error))

    def test_too_many_at_once(self) -> None:
        with mock.patch.object(fetch, "_waiting") as waiting:
            waiting.acquire.return_value = False
            self.assert_error(self.get("A"), 503, str(errors.MediaBusy()))

    def test_strangers_get_nothing(self) -> None:
        fetch.open_media(self.picture)
        for token, status, message in (
            ("", 401, "Missing token in header"),
            ("wap_x", 401, "Invalid token"),
            (self.bob_desk, 403, "Instance token does not match the requested instance"),
            (self.charlie_stall, 403, "Instance token does not match the requested instance"),
            # Charlie has a shop of his own, which has no such message.
            (self.charlie, 404, "message with ID A not found"),
        ):
            self.assert_error(self.get("A", token), status, message)
        assert self.fetched == 1


class WhatTheConnectorFetches(MediaTestCase):
    def download(self, content: bytes) -> Path:
        client = mock.Mock()
        client.download.return_value = content
        reference = reference_of(self.picture)
        return downloads._download(client, reference, cache.path_of(self.picture, reference))

    def test_it_works(self) -> None:
        assert self.download(CONTENT).read_bytes() == CONTENT

    def test_what_the_library_should_have_refused_is_not_kept(self) -> None:
        with self.assertRaises(errors.MediaBroken):
            self.download(CONTENT + b"x")
        assert not view_of(self.picture).here

    def test_the_sender_lied_about_its_length(self) -> None:
        self.picture.data["length"] = 1
        with override_settings(MEDIA_MAX_BYTES=len(CONTENT) - 1), self.assertRaises(errors.MediaTooLarge):
            self.download(CONTENT)
        assert not view_of(self.picture).here


class WhatEndedAConnector(MediaTestCase):
    """A file that is larger than its sender said, and more than the connector may have, ends it without a word."""

    # A connector in the middle of a fetch: it ends at once, or when its input does.
    FETCHING = """
import os, pathlib, sys
import django
django.setup()
from chats.media import trying
with trying.marked(pathlib.Path(sys.argv[1])):
    print("fetching", flush=True)
    sys.stdin.read()
    os._exit(9)
"""

    def setUp(self) -> None:
        super().setUp()
        reference = reference_of(self.picture)
        self.path = cache.path_of(self.picture, reference)
        self.mark = self.path.with_name(f".trying-{self.path.name}")
        self.client_ = mock.Mock()
        self.client_.download.return_value = CONTENT
        self.reference = reference

    def download(self) -> Path:
        return downloads._download(self.client_, self.reference, self.path)

    def begin(self) -> "subprocess.Popen[str]":
        """A connector that is fetching it."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.FETCHING, str(self.path)],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.addCleanup(process.communicate)
        assert process.stdout is not None
        assert process.stdout.readline() == "fetching\n"
        return process

    def test_it_is_not_tried_again(self) -> None:
        process = self.begin()
        process.communicate()
        assert process.returncode == 9
        for _ in range(2):
            with self.assertRaises(errors.MediaTooHeavy):
                self.download()
        assert self.client_.download.call_count == 0
        with override_settings(MEDIA_CACHE_BYTES=0):
            cache.shrink()
        cache.forget_gone()
        assert self.mark.exists(), "nothing that makes room forgets it"

    def test_a_day_later_it_is(self) -> None:
        self.begin().communicate()
        past = self.mark.stat().st_mtime - trying.SECONDS - 1
        os.utime(self.mark, (past, past))
        assert self.download().read_bytes() == CONTENT
        assert not self.mark.exists()
        self.begin().communicate()
        os.utime(self.mark, (past, past))
        cache.forget_gone()
        assert not self.mark.exists()

    def test_who_still_fetches_it_does_not_count(self) -> None:
        process = self.begin()
        assert self.download().read_bytes() == CONTENT
        assert self.mark.exists(), "that is the other one's"
        process.communicate()

    def test_ordinary_endings_leave_no_mark(self) -> None:
        def look(*_: Any) -> bytes:
            assert self.mark.exists()
            raise errors.MediaGone

        self.client_.download.side_effect = look
        with self.assertRaises(errors.MediaGone):
            self.download()
        assert not self.mark.exists()

    def test_a_connector_that_stops_leaves_no_mark(self) -> None:
        """It does not wait for the library."""
        with trying.marked(self.path):
            trying.let_go()
            assert not self.mark.exists()
