"""Reading receipts from whatsmeow's log, since its receipt event may not be subscribed to.

neonize ends its event loop at a receipt of a type it has no name for, and the
contact's client chooses the type (goneonize: utils/encoder.go, EncodeReceipts;
main.go, CallbackFunction). At level DEBUG whatsmeow logs each stanza it gets as
a line of XML (client.go, recvLog), and a line that nobody understands is only
a line. Whatever does not look exactly as expected is dropped.
"""

import re
from datetime import UTC, datetime

from chats import harmless
from instances.whatsapp import logged
from instances.whatsapp.events import Party, Receipt, without_device

# WhatsApp's names of what we show. "inactive" (an empty type from somebody who
# is not online) gives no tick on phones either.
_STATUSES = {"": "delivered", "read": "read", "played": "played"}

_RECEIPT = re.compile(rf"<receipt{logged.ATTRIBUTES}(?:/>|>(.*)</receipt>)", re.DOTALL)
# An author's messages are listed; members' receipts for one message are gathered.
_ITEM = re.compile(r'<(?:item [^<>]*?\bid|participants [^<>]*?\bkey)="([^"<>]*)"')
# As many as a client gathers at most, with room to spare.
MOST = 1000


def read(line: str) -> Receipt | None:
    """What a logged stanza says of messages' delivery; None when it says nothing that we show."""
    found = _RECEIPT.fullmatch(line)
    if found is None:
        return None
    pairs = logged.pairs(found[1])
    attributes = dict(pairs)
    status = _STATUSES.get(attributes.get("type", ""))
    # Twice the same name: somebody wrote quotation marks into a value.
    if status is None or len(pairs) != len(attributes) or "recipient" in attributes or not attributes.get("from"):
        return None
    ids = [attributes.get("id", ""), *_ITEM.findall(found[2] or "")[:MOST]]
    try:
        at = datetime.fromtimestamp(int(attributes.get("t", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    chat = _party(attributes["from"])
    # In a group that gathers several members' receipts nobody is named.
    sender = _party(attributes["participant"]) if "participant" in attributes else chat
    # As messages are stored under them (`chats.intake`).
    named = (harmless.message_id(one) for one in ids if one)
    return Receipt(chat, sender, tuple(dict.fromkeys(named)), status, at)


def _party(name: str) -> Party:
    return Party(harmless.jid(without_device(name)))
