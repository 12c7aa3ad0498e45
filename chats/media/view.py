"""How a message's file stands, for the page that shows it."""

from dataclasses import dataclass

from chats.media import cache
from chats.media.reference import Reference, reference_of
from chats.models import Message
from instances.whatsapp.errors import MediaError, WhatsAppError


@dataclass(frozen=True, slots=True)
class FileView:
    """`element`: "img", "audio" or "video" where a browser may show it, else empty."""

    key: int
    element: str = ""
    name: str = ""
    here: bool = False
    # Why it cannot be had, and whether it is worth another try.
    sentence: str = ""
    again: bool = False


def view_of(message: Message, failed: WhatsAppError | None = None) -> FileView:
    """What to show of it. `failed`: why it was not fetched just now."""
    try:
        reference = reference_of(message)
    except MediaError as error:
        return FileView(message.pk, sentence=str(error))
    return FileView(
        message.pk,
        _element(reference),
        reference.name,
        here=cache.path_of(message, reference).exists(),
        sentence=str(failed) if failed else "",
        again=failed is not None,
    )


def _element(reference: Reference) -> str:
    family = reference.inline_type.partition("/")[0]
    return {"image": "img", "audio": "audio", "video": "video"}.get(family, "")
