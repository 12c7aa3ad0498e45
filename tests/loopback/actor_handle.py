"""The test's hand on an actor."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .account import Account
from .server import LoopbackServer

Record = dict[str, Any]
_ROOT = Path(__file__).parents[2]
# A busy machine is no reason to fail: how long things take is measured in benchmarks.
_ANSWER_SECONDS = _EVENT_SECONDS = 60.0


class ActorError(Exception):
    """The actor's client refused or failed."""


class Actor:
    """A real client that plays a contact, or with ``primary`` the account's own phone.

    ``link`` says how it is linked at its first start: "qr" (the account's phone scans it by itself), "code", or "" (not
    by itself: take ``qr()`` or ``code()`` and do it).
    """

    def __init__(
        self,
        server: LoopbackServer,
        account: Account,
        workdir: Path,
        *,
        primary: bool = False,
        link: str = "qr",
        label: str = "",
        env: dict[str, str] | None = None,
        debug: bool = False,
        store_options: str = "",
    ) -> None:
        self.server, self.account, self.primary, self.link = server, account, primary, link
        self.device: int | None = None
        label = label or account.name.lower()
        self.store = workdir / f"{label}.db"
        self.log = workdir / f"{label}.log"
        self.events: list[tuple[str, Record]] = []
        self._env, self._debug, self._store_options = env, debug, store_options
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self._waiting: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)

    @property
    def jid(self) -> str:
        return self.account.jid

    @property
    def lid(self) -> str:
        return self.account.lid

    # -- life

    def __enter__(self) -> Actor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, wait: bool = True, timeout: float = 90) -> Actor:
        """Start the process; with ``wait`` until it is linked and connected."""
        command = [sys.executable, "-m", "tests.loopback.actor", str(self.store)]
        if self.link == "code" and self.device is None:
            command += ["--code", self.account.phone]
        if self._store_options:
            command.append(f"--store-options={self._store_options}")
        if self._debug:
            command.append("--debug")
        self.store.parent.mkdir(parents=True, exist_ok=True)
        began = self.mark()
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=os.environ | (self.server.env() if self._env is None else self._env),
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if wait:
            if self.device is None and self.link:
                self._link_device(timeout)
            self.wait_event("connected", timeout=timeout, since=began)
        return self

    def _link_device(self, timeout: float) -> None:
        if self.link == "code":
            self.device = self.account.enter_code(self.code(timeout))
        else:
            self.device = self.account.scan(self.qr(timeout), primary=self.primary)
        if self.primary:
            self.wait_event("connected", timeout=timeout)
            self.account.adopt_identity(bytes.fromhex(self.ask("identity")))

    def stop(self, timeout: float = 20) -> None:
        """End the client as a program would: disconnect, then exit."""
        process = self._process
        if process is None:
            return
        try:
            self._write({"do": "stop"})
            process.wait(timeout)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            process.kill()
        self._gone(process)

    def kill(self) -> None:
        """End the process at once, as the kernel does."""
        if self._process:
            self._process.kill()
            self._gone(self._process)

    def _gone(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        if self._reader:
            self._reader.join(5)
        for stream in (process.stdin, process.stdout):
            try:
                if stream:
                    stream.close()
            except BrokenPipeError:
                pass
        self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # -- talking to the process

    def submit(self, command: str, **args: Any) -> Future[Any]:
        """Give a command without waiting for its outcome."""
        number, future = next(self._numbers), Future[Any]()
        self._waiting[number] = future
        self._write({"id": number, "do": command, **args})
        return future

    def ask(self, command: str, *, timeout: float = _ANSWER_SECONDS, **args: Any) -> Any:
        return self.submit(command, **args).result(timeout)

    def _write(self, line: Record) -> None:
        if self._process is None or self._process.stdin is None:
            raise ActorError("the actor is not running")
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for text in process.stdout:
            line = json.loads(text)
            if "event" in line:
                with self._changed:
                    self.events.append((line["event"], line["data"]))
                    self._changed.notify_all()
            elif (future := self._waiting.pop(line["id"], None)) is None:
                continue
            elif "error" in line:
                future.set_exception(ActorError(line["error"]))
            else:
                future.set_result(line["result"])
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(ActorError("the actor's process has ended"))
        self._waiting.clear()

    # -- what it saw

    def mark(self) -> int:
        """Now, as a place in the list of events: what came before is not looked at with ``since=mark``."""
        return len(self.events)

    def wait_event(
        self,
        name: str,
        predicate: Callable[[Record], bool] = lambda _: True,
        *,
        timeout: float = _EVENT_SECONDS,
        since: int = 0,
    ) -> Record:
        """The first event of this name that fits, waiting for it if need be."""
        deadline, at = time.monotonic() + timeout, since
        with self._changed:
            while True:
                while at < len(self.events):
                    kind, data = self.events[at]
                    at += 1
                    if kind == name and predicate(data):
                        return data
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"{self.account.name}: no {name} in {timeout} s; see {self.log}")

    def seen(self, name: str) -> list[Record]:
        return [data for kind, data in list(self.events) if kind == name]

    def received(self, *, keys: bool = False) -> list[Record]:
        """The messages so far; those that only carry a group's sender key are left out unless ``keys``."""
        return [message for message in self.seen("message") if keys or not message["only_sender_key"]]

    def wait_for(self, predicate: Callable[[Record], bool], timeout: float = _EVENT_SECONDS, since: int = 0) -> Record:
        """The first message that fits."""
        fits = lambda message: not message["only_sender_key"] and predicate(message)  # noqa: E731
        return self.wait_event("message", fits, timeout=timeout, since=since)

    def wait_text(self, text: str, timeout: float = _EVENT_SECONDS, since: int = 0) -> Record:
        """The first message with exactly this text."""
        return self.wait_for(lambda message: text_of(message) == text, timeout, since)

    def qr(self, timeout: float = _EVENT_SECONDS) -> str:
        return str(self.wait_event("qr", timeout=timeout)["text"])

    def code(self, timeout: float = _EVENT_SECONDS) -> str:
        return str(self.wait_event("code", timeout=timeout)["code"])

    # -- what it does; each returns the message's id once WhatsApp has acknowledged it

    def send(self, to: str, kind: str, *, timeout: float = _ANSWER_SECONDS, **args: Any) -> str:
        return str(self.ask("send", to=to, kind=kind, args=args, timeout=timeout)["id"])

    def send_later(self, to: str, kind: str, **args: Any) -> Future[Any]:
        """Send without waiting: for acknowledgements that are late or never come."""
        return self.submit("send", to=to, kind=kind, args=args)

    def send_bytes(self, to: str, content: bytes) -> str:
        """A serialized message as it is: what Python's protobuf would not write, so long as Go reads it."""
        return str(self.ask("send_bytes", to=to, content=content.hex())["id"])

    def send_bomb(self, to: str, megabytes: int) -> str:
        """As the phone: a piece of history that inflates to so much."""
        return str(self.ask("send_bomb", to=to, megabytes=megabytes, timeout=120)["id"])

    def send_text(self, to: str, text: str) -> str:
        return self.send(to, "text", text=text)

    def send_many(self, to: str, count: int, prefix: str = "message ", timeout: float = 600) -> Record:
        """Returns ``ids`` and the ``seconds`` it took."""
        result: Record = self.ask("send_many", to=to, count=count, prefix=prefix, timeout=timeout)
        return result

    def reply(self, to: str, message_id: str, author: str, text: str, quoted: str = "") -> str:
        return self.send(to, "reply", id=message_id, participant=author, text=text, quoted=quoted)

    def edit(self, to: str, message_id: str, text: str) -> str:
        return self.send(to, "edit", id=message_id, text=text)

    def send_with_secret(self, to: str, text: str, secret: bytes) -> str:
        """A text with the secret that newer phones give each message."""
        return self.send(to, "text", text=text, secret=secret.hex())

    def edit_sealed(self, to: str, message_id: str, text: str, secret: bytes, author: str) -> str:
        """Edit as newer phones do, under the author's number or LID."""
        return self.send(to, "sealed_edit", id=message_id, text=text, secret=secret.hex(), author=author)

    def delete(self, to: str, message_id: str, *, from_me: bool = True, participant: str = "") -> str:
        return self.send(to, "delete", id=message_id, from_me=from_me, participant=participant)

    def react(self, to: str, message_id: str, emoji: str, *, from_me: bool = False, participant: str = "") -> str:
        """React to a message; an empty ``emoji`` takes the reaction back."""
        return self.send(to, "react", id=message_id, text=emoji, from_me=from_me, participant=participant)

    def poll(self, to: str, question: str, options: list[str], secret: bytes = b"") -> str:
        return self.send(to, "poll", question=question, options=options, secret=secret.hex())

    def vote(self, chat: str, poll: str, author: str, option: str) -> str:
        """Vote in one's own poll."""
        return str(self.ask("vote", chat=chat, poll=poll, author=author, option=option)["id"])

    def pin(
        self, to: str, message_id: str, duration: int | None = 604_800, *,
        from_me: bool = False, participant: str = "", remote_jid: str = "",
    ) -> str:  # fmt: skip
        """Pin for everyone for ``duration`` seconds; None unpins."""
        return self.send(
            to, "pin", id=message_id, duration=duration, from_me=from_me, participant=participant, remote_jid=remote_jid
        )

    def unpin(self, to: str, message_id: str, *, from_me: bool = False, participant: str = "") -> str:
        return self.pin(to, message_id, None, from_me=from_me, participant=participant)

    def send_image(self, to: str, caption: str = "") -> str:
        return self.send(to, "image", caption=caption or None)

    def send_video(self, to: str, caption: str = "") -> str:
        return self.send(to, "video", caption=caption or None)

    def send_audio(self, to: str, *, voice: bool = False) -> str:
        return self.send(to, "audio", voice=voice)

    def send_document(self, to: str, name: str = "report.pdf", caption: str = "") -> str:
        return self.send(to, "document", name=name, caption=caption or None)

    def send_file(self, to: str, kind: str, content: bytes, **fields: Any) -> Record:
        """Upload a file to WhatsApp and send it: its ``id`` and ``path``. ``fields`` of the message, bytes in hex."""
        encoded = base64.b64encode(content).decode()
        sent: Record = self.ask("send_media", to=to, kind=kind, content=encoded, args=fields)
        return sent

    def send_sticker(self, to: str) -> str:
        return self.send(to, "sticker")

    def send_location(self, to: str, latitude: float, longitude: float, name: str = "") -> str:
        return self.send(to, "location", latitude=latitude, longitude=longitude, name=name or None)

    def send_contact(self, to: str, name: str, phone: str) -> str:
        return self.send(to, "contact", name=name, phone=phone)

    def send_view_once(self, to: str, caption: str = "") -> str:
        return self.send(to, "view_once", caption=caption or None)

    def send_ephemeral(self, to: str, text: str, seconds: int = 86_400) -> str:
        return self.send(to, "ephemeral", text=text, seconds=seconds)

    # -- groups and the rest

    def create_group(self, name: str, members: list[str]) -> str:
        return str(self.ask("create_group", name=name, members=members))

    def group_info(self, group: str) -> Record:
        info: Record = self.ask("group_info", group=group)
        return info

    def participants(self, group: str, change: str, members: list[str]) -> None:
        """``change``: add, remove, promote or demote."""
        self.ask("participants", group=group, change=change, members=members)

    def set_subject(self, group: str, subject: str) -> None:
        self.ask("subject", group=group, subject=subject)

    def set_announce(self, group: str, on: bool) -> None:
        self.ask("announce", group=group, on=on)

    def set_locked(self, group: str, on: bool) -> None:
        self.ask("lock", group=group, on=on)

    def leave(self, group: str) -> None:
        self.ask("leave", group=group)

    def mark_read(self, ids: list[str], chat: str, sender: str) -> None:
        self.ask("mark_read", ids=ids, chat=chat, sender=sender)

    def wait_for_devices(self, count: int, timeout: float = _EVENT_SECONDS) -> None:
        """Until the server has nothing left to tell this device, such as that the account has ``count`` devices."""
        deadline = time.monotonic() + timeout
        while len(self.account.devices()) != count or self.account.waiting(self.device or 0):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.account.name}: not {count} devices in {timeout} s")
            time.sleep(0.02)

    def share_app_state_key(self) -> None:
        """As the phone (``primary``): give the companions the key to the account's app state."""
        key_id, key = os.urandom(6), os.urandom(32)
        self.account.remember_app_state_key(key_id, key)
        self.send(self.jid, "app_state_key", key_id=key_id.hex(), key=key.hex())

    def share_history(self, chat: str, messages: list[Record], name: str = "") -> None:
        """As the phone: tell the companions of earlier messages: ``{"id", "text", "from_me", "timestamp" (s)}``."""
        self.send(self.jid, "history", chat=chat, messages=messages, name=name)

    def share_large_history(self, first: int, chats: int, messages: int, progress: int) -> None:
        """As the phone: one piece of a large account's history; see ``actor_messages.large_history``."""
        self.send(self.jid, "large_history", first=first, chats=chats, messages=messages, progress=progress)

    def pin_chat(self, chat: str, on: bool = True) -> None:
        """Pin the chat in the account's own list (app state)."""
        self.ask("pin_chat", chat=chat, on=on)

    def set_push_name(self, name: str) -> None:
        """Change the account's name (app state)."""
        self.ask("push_name", name=name)

    def be_online(self) -> None:
        """Send presence; needs a push name."""
        self.ask("online")

    def active_receipts(self, on: bool = True) -> None:
        """From now on what arrives is ``delivered``, as to somebody who is online, and not ``inactive``."""
        self.ask("active_receipts", on=on)

    def on_whatsapp(self, *phones: str) -> list[Record]:
        found: list[Record] = self.ask("on_whatsapp", phones=list(phones))
        return found


def text_of(message: Record) -> str:
    """A message's plain text, "" when it has none."""
    content = message["message"]
    return str(content.get("conversation") or content.get("extendedTextMessage", {}).get("text", ""))
