"""Messages that businesses send by program: a header, a body, a footer, and what can be pressed.

All of what a phone shows is text to search in, the labels of buttons and rows
too. Where the header is a file (an invoice, say), the message is that file.
"""

import json
from collections.abc import Iterator
from typing import Any

from instances.whatsapp.adapter.parts import Content, lines, media, place

# Of the JSON in which newer buttons and lists say what they are: the fields that a phone shows.
_SHOWN = ("display_text", "flow_cta", "title", "header", "description")
_DEEPEST = 8


def template(message: Any) -> Content:
    """A template filled in by the sender's server, in one of the forms it has had over the years."""
    if message.HasField("interactiveMessageTemplate"):
        return interactive(message.interactiveMessageTemplate)
    if message.HasField("fourRowTemplate"):
        old = message.fourRowTemplate
        title = structured(old.highlyStructuredMessage)[1] if old.HasField("highlyStructuredMessage") else ""
        labels = [structured(button.displayText)[1] for button in map(_pressed, old.buttons) if button is not None]
        return _headed(old, title, structured(old.content)[1], structured(old.footer)[1], *labels)
    rows = message.hydratedTemplate if message.HasField("hydratedTemplate") else message.hydratedFourRowTemplate
    labels = [button.displayText for button in map(_pressed, rows.hydratedButtons) if button is not None]
    return _headed(rows, rows.hydratedTitleText, rows.hydratedContentText, rows.hydratedFooterText, *labels)


def structured(message: Any) -> Content:
    """A template that the phone is to fill in: without its words, which are not sent, what is to be filled in."""
    return template(message.hydratedHsm) if message.HasField("hydratedHsm") else _said(*message.params)


def buttons(message: Any) -> Content:
    """A text with buttons."""
    labels = [
        lines(button.buttonText.displayText, *_said_in(button.nativeFlowInfo.paramsJSON)) for button in message.buttons
    ]
    return _headed(message, message.text, message.contentText, message.footerText, *labels)


def choice(message: Any) -> Content:
    """A text with a list to choose from."""
    rows = [
        lines(section.title, *(lines(row.title, row.description) for row in section.rows))
        for section in message.sections
    ]
    return _said(message.title, message.description, message.footerText, message.buttonText, *rows)


def interactive(message: Any) -> Content:
    """The form of today: buttons and lists as JSON, or cards side by side, each a message like this one."""
    header = message.header
    labels = [text for button in message.nativeFlowMessage.buttons for text in _said_in(button.buttonParamsJSON)]
    cards = [interactive(card)[1] for card in message.carouselMessage.cards]
    goods = product(header.productMessage)[1] if header.HasField("productMessage") else ""
    said = (header.title, header.subtitle, goods, message.body.text, message.footer.text)
    return _headed(header, *said, *labels, *cards)


def answer(message: Any) -> Content:
    """What somebody pressed or filled in, in the words that stand in the chat."""
    return _said(message.body.text)


def product(message: Any) -> Content:
    """A thing for sale."""
    of_product, of_catalog = message.product, message.catalog
    said = (of_product.title, of_product.description, of_catalog.title, of_catalog.description)
    return "other", lines(*said, message.body, message.footer), {}


def _headed(part: Any, *said: str) -> Content:
    """What stands under a header: a message of the header's kind when that is a file or a place."""
    for field, kind in (("documentMessage", "document"), ("imageMessage", "image"), ("videoMessage", "video")):
        if part.HasField(field):
            return media(kind, getattr(part, field), *said)
    if part.HasField("locationMessage"):
        _, where, data = place("name", "address")(part.locationMessage)
        return "location", lines(where, *said), data
    return _said(*said)


def _said(*said: str) -> Content:
    """A text; something else when there is none, as of a newer form."""
    text = lines(*said)
    return "text" if text else "other", text, {}


def _pressed(button: Any) -> Any:
    """Which of the three sorts of button it is; None for a newer one."""
    for field in ("quickReplyButton", "urlButton", "callButton"):
        if button.HasField(field):
            return getattr(button, field)
    return None


def _said_in(params: str) -> Iterator[str]:
    """What a phone shows of a button's or list's JSON; nothing when it is none."""
    try:
        given = json.loads(params) if params else None
    except (ValueError, RecursionError):
        return
    yield from _shown(given, _DEEPEST)


def _shown(given: Any, depth: int) -> Iterator[str]:
    if isinstance(given, dict) and depth:
        for name, value in given.items():
            if isinstance(value, str):
                yield value if name in _SHOWN else ""
            else:
                yield from _shown(value, depth - 1)
    elif isinstance(given, list) and depth:
        for one in given:
            yield from _shown(one, depth - 1)
