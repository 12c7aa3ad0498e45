"""`python -m tests.upgrades VERSION`: fill a new database as that version had it, upgrade it, and look at everything.

A program of its own, for it needs a database without tables; `DATA_DIR` and
`DATABASE_URL` say which.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import django

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "wap_" + "x" * 43
JID, LID = "5511999990002@s.whatsapp.net", "21700000000002@lid"


def fill(models: Any, digest: str) -> None:
    """What every version had, by the models of that version."""
    account = models.get_model("instances", "Account").objects.create(name="Shop")
    instance = models.get_model("instances", "Instance").objects.create(
        account=account, name="shop", state="connected", jid="5511999990001@s.whatsapp.net", owner="old", epoch=7
    )
    models.get_model("instances", "Token").objects.create(
        account=account, instance=instance, label="crm", prefix=SECRET[:12], digest=digest
    )
    chat = models.get_model("chats", "Chat").objects.create(
        instance=instance, jid=JID, lid=LID, kind="direct", name="Bob", last_message_at=AT
    )
    models.get_model("chats", "Contact").objects.create(instance=instance, jid=JID, lid=LID, push_name="Bob")
    for number, text in enumerate(["The gate code is 4711", "Maçã é fruta", "bye"]):
        message = models.get_model("chats", "Message").objects.create(
            instance=instance, chat=chat, sender=JID, message_id=f"3EB{number}", from_me=False, kind="text",
            sent_at=AT + timedelta(minutes=number), text=text, wire_chat=LID, wire_sender=LID,
        )  # fmt: skip
        if number == 0:
            pin = models.get_model("chats", "Pin").objects.create(
                message=message, state="pinned", duration=604_800, pinned_at=AT, expires_at=AT + timedelta(days=7)
            )
            for kind in ("asked", "acknowledged"):
                models.get_model("chats", "PinEvent").objects.create(pin=pin, kind=kind, pinning=True, at=AT)


def look() -> None:
    """All of it is there, by the models and rules of today."""
    from chats import search
    from chats.models import Chat, Contact, Message, Pin, PinEvent
    from instances import tokens
    from instances.models import Instance

    (instance,) = Instance.objects.all()
    assert (instance.account.name, instance.name, instance.state, instance.epoch) == ("Shop", "shop", "connected", 7)
    assert instance.linked
    token = tokens.find(SECRET)
    assert token is not None
    assert (token.instance, token.label, token.scope) == (instance, "crm", "full")
    (chat,) = Chat.objects.all()
    assert (chat.jid, chat.lid, chat.name, chat.last_message_at) == (JID, LID, "Bob", AT)
    assert Contact.objects.get().push_name == "Bob"
    assert list(Message.objects.order_by("sent_at").values_list("message_id", "text")) == [
        ("3EB0", "The gate code is 4711"), ("3EB1", "Maçã é fruta"), ("3EB2", "bye"),
    ]  # fmt: skip
    pin = Pin.objects.get()
    assert (pin.message.message_id, pin.state, pin.duration) == ("3EB0", "pinned", 604_800)
    assert list(PinEvent.objects.values_list("kind", flat=True)) == ["asked", "acknowledged"]
    search.catch_up()
    for words, found in {"gate code": ["3EB0"], "maca": ["3EB1"], "nothing": []}.items():
        page = search.search([instance.pk], search.parse(words), limit=10)
        assert [hit.message.message_id for hit in page.hits] == found, words


def main(version: str) -> None:
    """Fill, upgrade, look."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from instances import tokens
    from tests.upgrades import plans
    from tests.upgrades.versions import DJANGO, VERSIONS, WITH_PLANS, WITH_UNITS

    executor = MigrationExecutor(connection)
    then = [*DJANGO, *VERSIONS[version]]
    executor.migrate(then)
    models = executor.loader.project_state(then).apps
    fill(models, tokens.digest(SECRET))
    if version in (WITH_PLANS, WITH_UNITS):
        plans.fill(models)
    call_command("migrate", interactive=False, verbosity=0)
    # Nothing is left to be done, and the tables are as today's models want them.
    call_command("migrate", check_unapplied=True, verbosity=0)
    look()
    if version in (WITH_PLANS, WITH_UNITS):
        plans.look(tokens.find(SECRET))
    print("upgraded")


main(sys.argv[1])
