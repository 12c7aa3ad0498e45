"""How chats and messages are put into words."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, escape, format_html, format_html_join, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from chats import media
from chats.models import Batch, Chat, Message, PinEvent, Rule, Schedule
from chats.pins import WORDS
from chats.rules.match import ME
from chats.search import Filter
from chats.selectors.pins import NO_PIN, PinView
from portal.templatetags.portal_tags import icon, phone

register = template.Library()
Kind = Message.Kind

KINDS = {
    Kind.TEXT: ("message-circle", gettext_lazy("Text")),
    Kind.IMAGE: ("image", gettext_lazy("Photo")),
    Kind.VIDEO: ("video", gettext_lazy("Video")),
    Kind.AUDIO: ("music", gettext_lazy("Audio")),
    Kind.VOICE: ("mic", gettext_lazy("Voice message")),
    Kind.DOCUMENT: ("file-text", gettext_lazy("Document")),
    Kind.STICKER: ("sticker", gettext_lazy("Sticker")),
    Kind.CONTACT: ("contact-round", gettext_lazy("Contact")),
    Kind.LOCATION: ("map-pin", gettext_lazy("Location")),
    Kind.POLL: ("chart-bar", gettext_lazy("Poll")),
    Kind.EVENT: ("calendar", gettext_lazy("Event")),
    Kind.SYSTEM: ("info", gettext_lazy("Notice")),
    Kind.UNREADABLE: ("lock", gettext_lazy("Waiting for this message. It could not be decrypted yet.")),
    Kind.OTHER: ("circle-help", gettext_lazy("A message of a kind the portal cannot show yet")),
}


@register.filter
def kind_words(kind: str) -> str:
    """What a kind of message is called."""
    return str(KINDS[Kind(kind)][1]) if kind in KINDS else kind


@register.filter
def kind_icon(kind: str) -> str:
    """The icon of a kind of message."""
    return KINDS[Kind(kind)][0] if kind in KINDS else "circle-help"


@register.filter
def file_view(message: Message) -> media.FileView:
    """How the file of a message stands: fetched already, to be fetched, or none to be had."""
    return media.view_of(message)


@register.filter
def preview(message: Message | None) -> str:
    """A message in one line, without its sender."""
    if message is None:
        return ""
    if message.deleted_at:
        return _("This message was deleted")
    if message.kind in (Kind.TEXT, Kind.SYSTEM):
        return " ".join(message.text.split())[:160]
    if message.kind in (Kind.UNREADABLE, Kind.OTHER):
        return kind_words(message.kind)
    return " ".join(message.text.split())[:160] or kind_words(message.kind)


@register.filter
def sender_words(message: Message) -> str:
    """Who wrote it."""
    if message.from_me:
        return _("You")
    return message.sender_name or phone(message.sender)


@register.filter
def chat_name(chat: Any) -> str:
    """What a chat is called."""
    return chat.name or phone(chat.jid)


@register.filter
def day_words(day: date | datetime | None) -> str:
    """A day as the heading above its messages."""
    if day is None:
        return ""
    if isinstance(day, datetime):
        day = timezone.localdate(day)
    today = timezone.localdate()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day == today + timedelta(days=1):
        return _("Tomorrow")
    if abs(day - today) <= timedelta(days=6):
        return date_format(day, "l")
    return date_format(day, "DATE_FORMAT")


@register.filter
def list_time(at: datetime | None) -> str:
    """When, as short as a list wants it: the time of today, else the day."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    if local.date() == timezone.localdate():
        return f"{local:%H:%M}"
    if timezone.localdate() - local.date() < timedelta(days=6):
        return date_format(local, "D")
    return date_format(local, "SHORT_DATE_FORMAT")


@register.filter
def clock(seconds: Any) -> str:
    """A length of time as a player shows it: 1:05."""
    try:
        minutes, rest = divmod(int(seconds), 60)
    except (TypeError, ValueError):
        return ""
    return f"{minutes}:{rest:02d}"


@register.filter
def snippet(pieces: Any) -> SafeString:
    """A hit's text, with what was looked for marked."""
    return format_html_join(
        "",
        "{}",
        ((mark_safe(f"<mark>{conditional_escape(text)}</mark>") if hit else text,) for text, hit in pieces),  # noqa: S308
    )


@register.filter
def duration_words(seconds: int | None) -> str:
    """How long a pin lasts."""
    if not seconds:
        return ""
    days = seconds // 86_400
    if days <= 1:
        return _("24 hours")
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


@register.filter
def duration_value(seconds: int | None) -> str:
    """The form's word for a duration; 7 days when it is none of ours."""
    return WORDS.get(seconds or 0, "7d")


@register.filter
def event_words(event: PinEvent) -> str:
    """What a line of a pin's history says."""
    happened = {
        (PinEvent.Kind.ACKNOWLEDGED, True): _("pinned it"),
        (PinEvent.Kind.ACKNOWLEDGED, False): _("unpinned it"),
        (PinEvent.Kind.SEEN, True): _("pinned it in WhatsApp"),
        (PinEvent.Kind.SEEN, False): _("unpinned it in WhatsApp"),
        (PinEvent.Kind.REFUSED, True): _("could not pin it"),
        (PinEvent.Kind.REFUSED, False): _("could not unpin it"),
        (PinEvent.Kind.NOT_SENT, True): _("could not pin it"),
        (PinEvent.Kind.NOT_SENT, False): _("could not unpin it"),
        (PinEvent.Kind.MISSED, True): _("was to pin it"),
        (PinEvent.Kind.UNCONFIRMED, True): _("tried to pin it; WhatsApp did not confirm"),
        (PinEvent.Kind.UNCONFIRMED, False): _("tried to unpin it; WhatsApp did not confirm"),
    }
    if event.kind == PinEvent.Kind.EXPIRED:
        return _("Its time was over")
    if event.kind == PinEvent.Kind.DELETED:
        return _("Its message was deleted for everyone")
    if event.kind == PinEvent.Kind.KEPT:
        return _("Its message was kept") if event.pinning else _("Its message is no longer kept")
    if event.kind == PinEvent.Kind.REPLACED:
        return _("A newer pin took its place")
    return happened.get((PinEvent.Kind(event.kind), event.pinning), "")


STEPS = {
    Schedule.Step.PIN: ("pin", gettext_lazy("Pin")),
    Schedule.Step.RENEW: ("refresh-cw", gettext_lazy("Renew")),
    Schedule.Step.UNPIN: ("pin-off", gettext_lazy("Unpin")),
}


@register.filter
def step_words(plan: Schedule) -> str:
    """What comes next of a plan, or what it was about."""
    return str(STEPS[Schedule.Step(plan.step)][1])


@register.filter
def step_icon(plan: Schedule) -> str:
    """The icon of what comes next."""
    return STEPS[Schedule.Step(plan.step)][0]


@register.filter
def rule_icon(rule: Rule) -> str:
    """The icon of what sets a rule off."""
    return {Rule.Trigger.MESSAGE: "message-circle", Rule.Trigger.HASHTAG: "hash"}.get(
        Rule.Trigger(rule.trigger), "sticker"
    )


@register.filter
def rule_words(rule: Any) -> str:
    """What sets a rule off, in a sentence; `names` are those of its people."""
    names = [_("ourselves") if name == ME else name for name in rule.names]
    facts = {"words": rule.words, "who": ", ".join(names), "chat": chat_name(rule.chat) if rule.chat else ""}
    if rule.trigger == Rule.Trigger.HASHTAG:
        said = _("Our own messages with #%(words)s")
    elif rule.trigger == Rule.Trigger.REACTION:
        said = _("Messages that get %(words)s from %(who)s")
    elif not names:
        said = _("Messages with “%(words)s”")
    elif not rule.words:
        said = _("Messages of %(who)s")
    else:
        said = _("Messages of %(who)s with “%(words)s”")
    return (said + (_(", in %(chat)s") if rule.chat else "")) % facts


@register.filter
def unlocalized(number: float) -> str:
    """A number for SVG, whatever the language has for a decimal point."""
    return f"{number:g}"


@register.filter
def pieces(row: Any, most: int) -> list[tuple[str, float, float]]:
    """A row's outcomes as (name, begin, width), in hundredths of the longest row."""
    found, at = [], 0.0
    for name, count in row.counts.items():
        found.append((name, round(at, 1), round(count / most * 100, 1)))
        at += count / most * 100
    return found


@register.filter
def batch_icon(batch: Batch) -> str:
    """The icon of what is done with many messages."""
    return STEPS[Schedule.Step(batch.action)][0]


@register.filter
def batch_words(batch: Batch, total: int) -> str:
    """What is done with how many messages, and for how long."""
    facts = {"count": total, "time": duration_words(batch.duration)}
    if batch.action == Batch.Action.UNPIN:
        return ngettext("Unpin %(count)s message", "Unpin %(count)s messages", total) % facts
    if batch.action == Batch.Action.RENEW:
        words = ngettext("Renew %(count)s pin for %(time)s", "Renew %(count)s pins for %(time)s", total)
    else:
        words = ngettext("Pin %(count)s message for %(time)s", "Pin %(count)s messages for %(time)s", total)
    return words % facts


@register.filter
def lasting_words(plan: Schedule) -> str:
    """How long what is planned is to last."""
    if plan.stay:
        return _("until somebody stops it")
    if plan.until is not None:
        return _("until %(when)s") % {"when": date_format(timezone.localtime(plan.until), "SHORT_DATETIME_FORMAT")}
    return _("for %(time)s") % {"time": duration_words(plan.duration)} if plan.pinning else ""


@register.filter
def repeat_words(plan: Schedule) -> str:
    """How often it comes; cron that our form does not write stands there as it is."""
    minute, hour, day, month, weekday = plan.repeat.split() if plan.repeat else ("",) * 5
    if not (minute.isdecimal() and hour.isdecimal() and month == "*"):
        return plan.repeat
    if day == "*" and weekday == "*":
        return _("every day")
    if day == "*" and weekday == "1-5":
        return _("Monday to Friday")
    if day == "*" and weekday.isdecimal():
        return _("every week")
    return _("every month") if day.isdecimal() and weekday == "*" else plan.repeat


# Stands for the message's key in a control that is drawn once for all.
_ANY_KEY = 7_777_777_777_777_777


@register.simple_tag
def pin_control(message: Any, pin: PinView, may_pin: bool) -> SafeString:
    """The control beside a message. Most messages have no pin: theirs is drawn once a language."""
    may_pin = may_pin and message.pinnable
    if pin.state != "none":
        context = {"message": message, "pin": pin, "may_pin": may_pin}
        return mark_safe(render_to_string("chats/_pin_control.html", context))  # noqa: S308  # a template's output
    drawn = _control_without_pin(get_language() or "", bool(may_pin))
    return mark_safe(drawn.replace(str(_ANY_KEY), str(message.pk)))  # noqa: S308


@lru_cache(maxsize=64)
def _control_without_pin(language: str, may_pin: bool) -> str:
    context = {"message": Message(pk=_ANY_KEY), "pin": NO_PIN, "may_pin": may_pin}
    return render_to_string("chats/_pin_control.html", context)


@register.simple_tag
def receipt(message: Message, chat_kind: str) -> SafeString:
    """The ticks of one of ours: how far it has come."""
    return (
        _ticks(get_language() or "", message.status, chat_kind == Chat.Kind.GROUP) if message.status else SafeString()
    )


@lru_cache(maxsize=64)
def _ticks(language: str, status: int, group: bool) -> SafeString:
    words = {
        Message.Status.SENT: (_("Sent"), _("Sent")),
        Message.Status.DELIVERED: (_("Delivered"), _("Delivered to at least one member")),
        Message.Status.READ: (_("Read"), _("Read by at least one member")),
        Message.Status.PLAYED: (_("Played"), _("Played by at least one member")),
    }[Message.Status(status)][group]
    read = " read" if status >= Message.Status.READ else ""
    drawn = icon("check" if status == Message.Status.SENT else "check-check")
    return format_html(
        '<span class="receipt{}" title="{}">{}<span class="sr"> {}</span></span>', read, words, drawn, words
    )


@register.filter
def linked(text: str) -> SafeString:
    """Text with its web addresses as links that tell the other side nothing of us."""
    if "." not in text:  # Most messages: no address without a dot.
        return escape(text)
    return mark_safe(urlize(text, nofollow=True, autoescape=True).replace(' rel="nofollow"', _LINK))  # noqa: S308


_LINK = ' rel="nofollow noopener noreferrer" target="_blank"'


@register.filter
def caption(message: Message) -> str:
    """What was written under a file; its name, which stands above, left out."""
    name = message.data.get("fileName") or message.data.get("title") or ""
    lines = message.text.split("\n")
    return "\n".join(lines[:-1] if name and lines[-1] == name else lines)


@register.filter
def poll_question(message: Message) -> str:
    """A poll's first line; its options follow in `data`."""
    return message.text.split("\n", 1)[0]


@register.filter
def search_in(chat: Any) -> str:
    """The search for everything in this chat."""
    return f"{Filter('in', chat.jid)} "
