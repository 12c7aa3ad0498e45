"""Small things that every template uses."""

import zlib
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from instances.words import in_words

register = template.Library()

# As many as there are `.c0`, `.c1`, … in static/css/tokens.css.
COLOURS = 8


@register.simple_tag
@lru_cache(maxsize=500)
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of static/icons.svg. It says nothing to a screen reader: the text beside it does."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', extra, static("icons.svg"), name
    )


@register.filter
def colour(name: str) -> str:
    """The class of the colour a person or chat has everywhere, the same for ever."""
    return f"c{zlib.crc32(str(name).encode()) % COLOURS}"


@register.filter
def initials(name: str) -> str:
    """One or two letters for a round picture."""
    words = [word for word in str(name).replace("+", "").split() if word[0].isalnum()]
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()[:2] or "#"


@register.filter
def said(words: Any) -> str:
    """A sentence of the product, in the reader's language."""
    return in_words(str(words or ""))


@register.filter
def phone(jid: str) -> str:
    """A JID as people write it: a phone number with a plus, or the bare id."""
    user, _, server = str(jid).partition("@")
    return f"+{user}" if server == "s.whatsapp.net" else user if server == "g.us" else str(jid)


# Of these a page has a hundred; Django's `date` filter goes through a table of formats for each.


@register.filter
def iso(at: datetime | None) -> str:
    """A time for machines, in the reader's zone."""
    return timezone.localtime(at).isoformat() if at else ""


@register.filter
def hm(at: datetime | None) -> str:
    """The time of day, in the reader's zone."""
    return f"{timezone.localtime(at):%H:%M}" if at else ""


@register.filter
def ymd(at: date | None) -> str:
    """The day, for scripts, in the reader's zone."""
    return f"{timezone.localtime(at) if isinstance(at, datetime) else at:%Y-%m-%d}" if at else ""
