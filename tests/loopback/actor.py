# mypy: disable-error-code="import-untyped"
"""An actor: a real neonize client in a process of its own, driven by JSON lines. Run by ``actor_handle.Actor``.

In: ``{"id": 1, "do": "send", …}`` on standard input. Out: ``{"id": 1, "result": …}`` or ``{"id": 1, "error": …}``, and
events ``{"event": "message", "data": …}``. neonize and its Go library print to standard output, so that is moved to
standard error first, and the answers go out on a duplicate of the original.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

from neonize import events as ev  # noqa: E402
from neonize.client import NewClient  # noqa: E402
from neonize.proto.Neonize_pb2 import (  # noqa: E402
    MessageInfo,
    MessageSource,
    MutationInfo,
    PatchInfo,
    SendMessageReturnFunction,
)
from neonize.proto.waSyncAction.WAWebProtobufSyncAction_pb2 import PinAction, SyncActionValue  # noqa: E402
from neonize.utils.enum import MediaType, ParticipantChange, Presence, ReceiptType  # noqa: E402
from neonize.utils.jid import build_jid  # noqa: E402

from . import actor_events, actor_messages  # noqa: E402

# neonize opens "file:<name>?_foreign_keys=on" (goneonize main.go, getDB), so a name may bring parameters of its own: an
# actor's store need not survive a power cut, and without fsync it sends several times faster.
_STORE_OPTIONS = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=OFF&_busy_timeout=5000&ignored="

_QUIET_SECONDS = 0.05

_EVENTS: dict[str, tuple[Any, Any]] = {
    "history": (ev.HistorySyncEv, actor_events.other),
    "message": (ev.MessageEv, actor_events.message),
    "receipt": (ev.ReceiptEv, actor_events.receipt),
    "undecryptable": (ev.UndecryptableMessageEv, actor_events.undecryptable),
    "group": (ev.GroupInfoEv, actor_events.group_change),
    "joined": (ev.JoinedGroupEv, actor_events.joined),
    "connected": (ev.ConnectedEv, actor_events.other),
    "disconnected": (ev.DisconnectedEv, actor_events.other),
    "logged_out": (ev.LoggedOutEv, actor_events.other),
    "replaced": (ev.StreamReplacedEv, actor_events.other),
    "banned": (ev.TemporaryBanEv, actor_events.other),
    "outdated": (ev.ClientOutdatedEv, actor_events.other),
    "connect_failure": (ev.ConnectFailureEv, actor_events.other),
    "stream_error": (ev.StreamErrorEv, actor_events.other),
    "pair_status": (ev.PairStatusEv, actor_events.other),
    "offline_preview": (ev.OfflineSyncPreviewEv, actor_events.other),
    "offline_completed": (ev.OfflineSyncCompletedEv, actor_events.other),
    "identity_change": (ev.IdentityChangeEv, actor_events.other),
}


def jid(text: str) -> Any:
    user, _, server = text.partition("@")
    return build_jid(user.partition(":")[0], server)


class ActorProcess:
    def __init__(self, store: str, phone_for_code: str, options: str = _STORE_OPTIONS) -> None:
        self.store = store
        self.phone_for_code = phone_for_code
        self.client = NewClient(store + options, uuid="actor")
        self._lock = threading.Lock()
        self._told = 0  # lines so far
        self._pool = ThreadPoolExecutor(16)
        self._handlers: list[Any] = []  # neonize holds handlers weakly
        self._subscribe()

    def _subscribe(self) -> None:
        for name, (kind, translate) in _EVENTS.items():
            handler = self._handler(name, translate)
            self._handlers.append(handler)
            self.client.event(kind)(handler)
        self._handlers.append(self._on_qr)
        self.client.event.qr(lambda _, text: self._on_qr(text))

    def _handler(self, name: str, translate: Any) -> Any:
        def handle(_: NewClient, event: Any) -> None:
            try:
                self.tell(event=name, data=translate(event))
            except Exception as error:
                logging.exception("event %s", name)
                self.tell(event="actor_error", data={"event": name, "error": repr(error)})

        return handle

    def _on_qr(self, text: bytes) -> None:
        self.tell(event="qr", data={"text": text.decode()})
        if self.phone_for_code:
            phone, self.phone_for_code = self.phone_for_code, ""
            self._pool.submit(lambda: self.tell(event="code", data={"code": self.client.PairPhone(phone, True)}))

    def tell(self, **line: Any) -> None:
        text = json.dumps(line) + "\n"
        with self._lock:
            self._told += 1
            _answers.write(text)

    # -- life

    def run(self) -> None:
        threading.Thread(target=self._connect, daemon=True).start()
        for line in sys.stdin:
            command = json.loads(line)
            if command["do"] == "stop":
                self._stop()
                break
            self._pool.submit(self._obey, command)
        # connect() may not return after a logout; nothing here needs a tidy end.
        os._exit(0)

    def _stop(self) -> None:
        """Disconnect, hear out what is still on its way from Go to Python, and only then stop: stop() drops it."""
        if self.client.is_connected:
            self.client.disconnect()
        told = -1
        while told != self._told:
            told = self._told
            time.sleep(_QUIET_SECONDS)
        self.client.stop()

    def _connect(self) -> None:
        try:
            self.client.connect()
            self.tell(event="ended", data={})
        except Exception as error:
            self.tell(event="ended", data={"error": str(error)})

    def _obey(self, command: dict[str, Any]) -> None:
        number = command.pop("id")
        try:
            result = getattr(self, "do_" + command.pop("do"))(**command)
            self.tell(id=number, result=result)
        except Exception as error:
            self.tell(id=number, error=f"{type(error).__name__}: {error}")

    # -- commands

    def do_send(self, to: str, kind: str, args: dict[str, Any]) -> dict[str, Any]:
        message = actor_messages.BUILDERS[kind](to, args)
        began = time.monotonic()
        sent = self.client.send_message(jid(to), message)
        return {"id": sent.ID, "timestamp": sent.Timestamp, "seconds": time.monotonic() - began}

    def do_vote(self, chat: str, poll: str, author: str, option: str) -> dict[str, Any]:
        """Vote in a poll; the library seals the vote."""
        nobody = jid("")
        source = MessageSource(
            Chat=jid(chat), Sender=jid(author), IsFromMe=True, IsGroup=False,
            SenderAlt=nobody, RecipientAlt=nobody, BroadcastListOwner=nobody,
        )  # fmt: skip
        info = MessageInfo(
            ID=poll, MessageSource=source, ServerID=0, Type="poll", Pushname="", Timestamp=0, Category="",
            Multicast=False, MediaType="", Edit="",
        )  # fmt: skip
        vote = self.client.build_poll_vote(info, [option])
        return {"id": self.client.send_message(jid(chat), vote).ID}

    def do_send_bytes(self, to: str, content: str) -> dict[str, Any]:
        """Send what Python's protobuf would not write (in hex), so long as Go reads it."""
        return {"id": self._send_bytes(to, bytes.fromhex(content))}

    def do_send_bomb(self, to: str, megabytes: int) -> dict[str, Any]:
        """As the phone: a piece of history inside the message, of zeros, that inflates to so much."""
        return {"id": self._send_bytes(to, actor_messages.bomb(megabytes))}

    def _send_bytes(self, to: str, content: bytes) -> str:
        library: Any = self.client._NewClient__client
        chat = jid(to).SerializeToString()
        done = library.SendMessage(self.client.uuid, chat, len(chat), content, len(content))
        answer = SendMessageReturnFunction.FromString(done)
        if answer.Error:
            raise RuntimeError(answer.Error)
        return str(answer.SendResponse.ID)

    def do_send_media(self, to: str, kind: str, content: str, args: dict[str, Any]) -> dict[str, Any]:
        """Upload a file and send it; ``args`` are further fields of the message, which win over the true ones."""
        uploaded = self.client.upload(base64.b64decode(content), MediaType[f"Media{kind.capitalize()}"])
        sent = self.client.send_message(jid(to), actor_messages.uploaded(kind, uploaded, args))
        return {"id": sent.ID, "path": uploaded.DirectPath}

    def do_send_many(self, to: str, count: int, prefix: str, first: int = 0) -> dict[str, Any]:
        chat, began, ids = jid(to), time.monotonic(), []
        for number in range(first, first + count):
            ids.append(self.client.send_message(chat, actor_messages.Message(conversation=f"{prefix}{number}")).ID)
        return {"ids": ids, "seconds": time.monotonic() - began}

    def do_create_group(self, name: str, members: list[str]) -> str:
        info = self.client.create_group(name, [jid(member) for member in members])
        return actor_events.jid_text(info.JID)

    def do_group_info(self, group: str) -> dict[str, Any]:
        return actor_events.group_info(self.client.get_group_info(jid(group)))

    def do_participants(self, group: str, change: str, members: list[str]) -> None:
        changes = [jid(member) for member in members]
        self.client.update_group_participants(jid(group), changes, ParticipantChange[change.upper()])

    def do_subject(self, group: str, subject: str) -> None:
        self._checked(self.client.set_group_name(jid(group), subject))

    def do_announce(self, group: str, on: bool) -> None:
        self._checked(self.client.set_group_announce(jid(group), on))

    def do_lock(self, group: str, on: bool) -> None:
        self._checked(self.client.set_group_locked(jid(group), on))

    def do_leave(self, group: str) -> None:
        self._checked(self.client.leave_group(jid(group)))

    def do_mark_read(self, ids: list[str], chat: str, sender: str) -> None:
        self.client.mark_read(*ids, chat=jid(chat), sender=jid(sender), receipt=ReceiptType.READ)

    def do_push_name(self, name: str) -> None:
        self.client.set_profile_name(name)

    def do_online(self) -> None:
        self.client.send_presence(Presence.AVAILABLE)

    def do_pin_chat(self, chat: str, on: bool) -> None:
        pin = SyncActionValue(pinAction=PinAction(pinned=on))
        mutation = MutationInfo(Index=["pin_v1", chat], Version=5, Value=pin)
        patch = PatchInfo(Timestamp=time.time_ns(), Type=PatchInfo.REGULAR_LOW, Mutations=[mutation])
        self.client.send_app_state(patch)

    def do_active_receipts(self, on: bool) -> None:
        """As if online: receipts are ``delivered`` and not ``inactive``. Real presence needs app state."""
        self.client.set_force_activate_delivery_receipts(on)

    def do_on_whatsapp(self, phones: list[str]) -> list[dict[str, Any]]:
        return [
            {"query": found.Query, "jid": actor_events.jid_text(found.JID), "in": found.IsIn}
            for found in self.client.is_on_whatsapp(*phones)
        ]

    def do_logout(self) -> None:
        self.client.logout()

    def do_connected(self) -> bool:
        return bool(self.client.is_connected)

    def do_identity(self) -> str:
        """This client's private identity key, as a phone needs it to vouch for companions."""
        return str(self._query("SELECT hex(identity_key) FROM whatsmeow_device"))

    def do_sql(self, statement: str) -> str:
        """Change the session store under the client's feet, to see what it and the server make of it."""
        return str(self._query(statement))

    def _query(self, statement: str) -> Any:
        with sqlite3.connect(self.store, timeout=5) as database:
            row = database.execute(statement).fetchone()
            return row[0] if row else ""

    @staticmethod
    def _checked(error: Any) -> None:
        if error:
            raise RuntimeError(str(error))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("--code", default="", metavar="PHONE", help="link by pairing code for this phone number")
    parser.add_argument("--store-options", default=_STORE_OPTIONS, help="follows the store's name in its address")
    parser.add_argument("--debug", action="store_true", help="log every stanza")
    options = parser.parse_args()
    level = logging.DEBUG if options.debug else logging.WARNING
    logging.getLogger("neonize.utils.log").setLevel(level)
    logging.getLogger("whatsmeow").setLevel(level)
    logging.getLogger().setLevel(level)
    ActorProcess(options.store, options.code, options.store_options).run()


if __name__ == "__main__":
    main()
