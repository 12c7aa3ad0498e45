"""Files: a contact uploads and sends them, the portal fetches them on request, and only for those who may see them."""

import hashlib
import json
import os
import stat
import struct
import textwrap
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.scene import Record, Scene, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow


def picture(colour: bytes = b"\xd0\x20\x20", side: int = 40) -> bytes:
    """A real PNG of one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + colour * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module", autouse=True)
def own_token(scene: Scene) -> None:
    """Of these tests alone: what they ask for is not taken from the other tests' allowance."""
    TOKEN.append(scene.command("createtoken", "--instance", "shop").strip())


TOKEN: list[str] = []


def fetch(scene: Scene, message_id: str, token: str | None = None, **headers: str) -> tuple[int, Any, bytes]:
    """GET media for "shop": status, headers, body."""
    address = f"{scene.portal.url}/api/chat/media/shop?messageId={quote(message_id)}"
    sent = {"token": TOKEN[-1] if token is None else token} if token != "" else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={**sent, **headers})) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def sentence(answer: tuple[int, Any, bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[2])["error"]["message"]


def arrived(scene: Scene, actor: Actor, kind: str, content: bytes, **fields: Any) -> Record:
    sent = actor.send_file(scene.ana.jid, kind, content, **fields)
    scene.stored(sent["id"])
    return sent


def cached(scene: Scene) -> list[Path]:
    return [path for path in (scene.folder / "data" / "media").glob("*/*") if path.is_file()]


def test_it_works(scene: Scene, bob: Actor) -> None:
    content = picture()
    sent = arrived(scene, bob, "image", content, mimetype="image/png", caption="the shop")
    # Nothing was fetched before somebody asked.
    path = sent["path"].partition("?")[0]
    assert path not in scene.wa.media.fetched
    assert content not in scene.wa.media.only(sent["path"]).content, "WhatsApp has it encrypted"
    status, headers, body = fetch(scene, sent["id"])
    assert (status, body) == (200, content)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith('attachment; filename="image-')
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "X-RateLimit-Remaining" in headers
    # A second look takes it from the disk, which others than its owner cannot read.
    assert fetch(scene, sent["id"])[2] == content
    assert scene.wa.media.fetched.count(path) == 1
    assert cached(scene)
    for file in cached(scene):
        assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(file.parent).st_mode) == 0o700


def test_a_document_and_a_part_of_it(scene: Scene, bob: Actor) -> None:
    content = os.urandom(900_000)
    sent = arrived(scene, bob, "document", content, mimetype="text/html", fileName="../../relatório\u202egpj.html")
    status, headers, body = fetch(scene, sent["id"])
    assert (status, body) == (200, content)
    assert headers["Content-Type"] == "application/octet-stream"
    assert "relat%C3%B3riogpj.html" in headers["Content-Disposition"]
    assert "/" not in headers["Content-Disposition"].replace("utf-8''", "")
    status, headers, body = fetch(scene, sent["id"], Range="bytes=1000-1999")
    assert (status, body) == (206, content[1000:2000])
    assert headers["Content-Range"] == "bytes 1000-1999/900000"
    assert fetch(scene, sent["id"], Range="bytes=-5")[2] == content[-5:]
    assert fetch(scene, sent["id"], Range="bytes=900000-")[0] == 416


def test_the_key_is_nowhere_to_be_seen(scene: Scene, bob: Actor) -> None:
    sent = arrived(scene, bob, "image", picture(b"\0\0\xff"), mimetype="image/png", caption="blue")
    assert fetch(scene, sent["id"])[0] == 200
    kept = scene.database.one("SELECT data FROM chats_message WHERE message_id = ?", sent["id"])
    data = json.loads(kept) if isinstance(kept, str) else kept
    assert len(data["key"]) == 64
    history = scene.portal.call("POST", "/api/chat/history/shop", {"number": bob.jid}, scene.token)[1]
    found = scene.portal.call("GET", "/api/chat/search/shop?q=blue", {}, scene.token)[1]
    shown = json.dumps([history, found]) + scene.portal.out + scene.portal.err
    assert sent["id"] in shown
    assert data["key"] not in shown
    assert data["path"] not in shown


def test_two_at_once_fetch_it_once(scene: Scene, bob: Actor) -> None:
    sent = arrived(scene, bob, "audio", os.urandom(50_000), mimetype="audio/ogg; codecs=opus")
    scene.wa.media.only(sent["path"]).seconds = 0.5
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(fetch(scene, sent["id"])[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 4
    assert scene.wa.media.fetched.count(sent["path"].partition("?")[0]) == 1


@pytest.mark.parametrize("status", [403, 404, 410])
def test_whatsapp_has_it_no_longer(scene: Scene, bob: Actor, status: int) -> None:
    sent = arrived(scene, bob, "document", b"gone %d" % status, mimetype="application/pdf", fileName="gone.pdf")
    scene.wa.media.only(sent["path"]).status = status
    words = "WhatsApp no longer has this file: ask for it to be sent again, or open it on the phone"
    assert sentence(fetch(scene, sent["id"])) == (410, words)


def test_what_was_tampered_with_is_not_shown(scene: Scene, bob: Actor) -> None:
    words = "This file arrived damaged: what WhatsApp has is not what the sender sent. Ask for it to be sent again"
    before = len(cached(scene))
    altered = arrived(scene, bob, "image", picture(b"\1\1\1"), mimetype="image/png")
    blob = scene.wa.media.only(altered["path"])
    blob.content = bytes([blob.content[0] ^ 1]) + blob.content[1:]
    assert sentence(fetch(scene, altered["id"])) == (502, words)
    # Rightly encrypted, and not what the message says it is.
    lied = arrived(scene, bob, "image", picture(), mimetype="image/png", fileSHA256=hashlib.sha256(b"x").hexdigest())
    assert sentence(fetch(scene, lied["id"])) == (502, words)
    wrong_key = arrived(scene, bob, "image", picture(), mimetype="image/png", mediaKey="00" * 32)
    assert sentence(fetch(scene, wrong_key["id"])) == (502, words)
    assert len(cached(scene)) == before


def test_too_large(scene: Scene, bob: Actor) -> None:
    words = "This file is larger than the portal fetches: open it on the phone, or raise MEDIA_MAX_MB"
    told = arrived(scene, bob, "video", b"small", mimetype="video/mp4", fileLength=33 * 1024 * 1024)
    assert sentence(fetch(scene, told["id"])) == (413, words)
    assert told["path"].partition("?")[0] not in scene.wa.media.fetched, "not even asked for"


@pytest.mark.parametrize("path", ["//evil.example/v/x.enc", "/../v/x", "@evil.example/v/x", "/v/x#", "/v/x y", ""])
def test_a_path_that_leads_elsewhere_is_not_asked_for(scene: Scene, bob: Actor, path: str) -> None:
    sent = arrived(scene, bob, "image", picture(), mimetype="image/png", directPath=path)
    hosts = list(scene.wa.refused_hosts)
    assert sentence(fetch(scene, sent["id"])) == (404, "There is no file behind this message")
    assert scene.wa.refused_hosts == hosts


def test_what_has_no_file(scene: Scene, bob: Actor) -> None:
    text = bob.send_text(scene.ana.jid, "only words")
    scene.stored(text)
    assert sentence(fetch(scene, text)) == (404, "There is no file behind this message")
    assert sentence(fetch(scene, "3EB0NOTHING")) == (404, "message with ID 3EB0NOTHING not found")
    assert sentence(fetch(scene, "")) == (400, "messageId is required")
    once = arrived(scene, bob, "image", picture(), mimetype="image/png", viewOnce=True)
    assert sentence(fetch(scene, once["id"])) == (403, "This was sent to be seen once: open it on the phone")


def test_a_deleted_message_gives_nothing_more(scene: Scene, bob: Actor) -> None:
    sent = arrived(scene, bob, "image", picture(b"\7\7\7"), mimetype="image/png")
    assert fetch(scene, sent["id"])[0] == 200
    bob.delete(scene.ana.jid, sent["id"])
    wait(lambda: scene.stored(sent["id"], "deleted_at")[0], what="the deletion")
    assert sentence(fetch(scene, sent["id"])) == (404, "There is no file behind this message")


def test_without_a_token_there_is_nothing(scene: Scene, bob: Actor) -> None:
    sent = arrived(scene, bob, "image", picture(b"\5\5\5"), mimetype="image/png")
    assert fetch(scene, sent["id"])[0] == 200
    assert sentence(fetch(scene, sent["id"], "")) == (401, "Missing token in header")
    assert sentence(fetch(scene, sent["id"], "wap_wrong")) == (401, "Invalid token")


def test_while_it_takes_long_the_rest_goes_on(scene: Scene, bob: Actor) -> None:
    sent = arrived(scene, bob, "document", b"slow", mimetype="application/pdf", fileName="slow.pdf")
    scene.wa.media.only(sent["path"]).seconds = 10
    slow = threading.Thread(target=fetch, args=(scene, sent["id"]))
    slow.start()
    text = bob.send_text(scene.ana.jid, "meanwhile")
    began = time.monotonic()
    scene.stored(text, seconds=8)
    assert scene.pin(text, "24h")[0] == 200
    assert time.monotonic() - began < 8
    slow.join()


def test_from_a_connector_on_another_machine(scene: Scene, bob: Actor, tmp_path: Path) -> None:
    content = os.urandom(1_200_000)
    sent = arrived(scene, bob, "document", content, mimetype="application/zip", fileName="big.zip")
    # A web process whose folder the connector does not share: the pieces come over NATS.
    code = f"""
        from pathlib import Path
        from django.conf import settings
        settings.MEDIA_DIR = Path({str(tmp_path / "elsewhere")!r})
        from chats.media import open_media
        from chats.models import Message
        print("RESULT", open_media(Message.objects.get(message_id={sent["id"]!r})).path)
    """
    out = scene.command("shell", "--no-imports", "-c", textwrap.dedent(code))
    path = Path(out.partition("RESULT ")[2].strip())
    assert path.is_relative_to(tmp_path)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
