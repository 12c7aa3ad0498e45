"""A pin's own page: its state, what is planned for it, and all that happened; and the agenda of all that is planned."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chats import pins as rules
from chats.errors import RequestError
from chats.models import Message
from chats.schedule import wish
from chats.schedule.wish import Fault, InvalidSchedule, Wanted
from chats.selectors import calendar, history, plans
from chats.selectors import pins as selectors
from chats.selectors.chat_list import find_message
from chats.views import troubles
from instances import access
from portal.audit import name_of
from portal.views.page import signed_in

# What is chosen in the form, as cron has it; minute, hour, day and day of the week are filled in.
REPEATS = {
    "daily": "{at.minute} {at.hour} * * *",
    "workdays": "{at.minute} {at.hour} * * 1-5",
    "weekly": "{at.minute} {at.hour} * * {weekday}",
    "monthly": "{at.minute} {at.hour} {at.day} * *",
}


@require_safe
@never_cache
@signed_in
def pin_page(request: HttpRequest, pk: int) -> HttpResponse:
    """All about one message's pin."""
    return _page(request, find_message(request.user, pk))


@require_POST
@signed_in
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Write down what the form says; the page again, with what is wrong, if it cannot be."""
    message = find_message(request.user, pk)
    if not access.may_pin(message) or message.kind in Message.ACTIONS:
        return HttpResponse(status=403)
    try:
        wish.make(message, _wanted(request), rules.Asker(words=name_of(request.user)))
    except RequestError as error:
        return _page(request, message, troubles.words(error))
    return redirect("pin-page", pk=pk)


@require_POST
@signed_in
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel one of the message's schedules; one that is over stays as it is."""
    message = find_message(request.user, pk)
    if not access.may_pin(message):
        return HttpResponse(status=403)
    try:
        found = wish.find(message.instance, UUID(request.POST.get("schedule", "")))
        if found.message_id == message.pk:
            wish.cancel(found, rules.Asker(words=name_of(request.user)))
    except (RequestError, ValueError):
        pass  # It shows on the page that there is nothing to cancel.
    return redirect("pin-page", pk=pk)


@require_safe
@never_cache
@signed_in
def planned(request: HttpRequest) -> HttpResponse:
    """The agenda: what comes, day by day; and a month of it as a calendar."""
    today = timezone.localdate()
    first = max(_month(request.GET.get("month", "")) or today, today).replace(day=1)
    earlier = (first - timedelta(days=1)).replace(day=1)
    month = calendar.month(request.user, first)
    coming, more = plans.coming(request.user)
    context = {
        "plans": coming,
        "more": more,
        "lost": plans.lost(request.user),
        "weeks": month.weeks,
        "cut": month.cut,
        "first": first,
        "later": calendar.next_month(first),
        "earlier": earlier if earlier >= today.replace(day=1) else None,
    }
    return render(request, "chats/planned.html", context)


def _month(text: str) -> date | None:
    """A day of the month that an address names, not more than ten years away."""
    try:
        day = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return day if day.year <= timezone.localdate().year + 10 else None


def _page(request: HttpRequest, message: Any, trouble: str = "") -> HttpResponse:
    # Before what happened: of what a plan says has come of it, there is a line by then.
    planned = plans.of_message(message)
    lines, _more = history.recent(request.user, message=message.pk, limit=200)
    context = {
        "message": message,
        "chat": message.chat,
        "pin": selectors.views_of([message]).get(message.pk, selectors.NO_PIN),
        "may_pin": access.may_pin(message),
        "plans": planned,
        "lines": lines,
        "trouble": trouble,
        "form": request.POST or {"lasting": "7d"},
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "chats/pin_page.html", context, status=400 if trouble else 200)


def _wanted(request: HttpRequest) -> Wanted:
    """The form's wish, its times in the reader's zone. Raises InvalidSchedule or InvalidDuration."""
    lasting, repeat = request.POST.get("lasting", ""), request.POST.get("repeat", "")
    at, zone = _moment(request.POST.get("at", "")), timezone.get_current_timezone_name()
    if lasting == "unpin":
        return Wanted(unpin_at=at)
    if lasting == "stopped":
        return Wanted(pin_at=at, stay=True, zone=zone)
    if lasting == "until":
        return Wanted(pin_at=at, until=_moment(request.POST.get("until", "")), zone=zone)
    duration = rules.parse_duration(lasting)
    if at is None or repeat not in REPEATS:
        return Wanted(pin_at=at, duration=duration, zone=zone)
    cron = REPEATS[repeat].format(at=timezone.localtime(at), weekday=timezone.localtime(at).isoweekday() % 7)
    return Wanted(repeat=cron, begins=at, duration=duration, zone=zone)


def _moment(text: str) -> datetime | None:
    """A time as the browser's field writes it, in the reader's zone; None for none."""
    if not text:
        return None
    try:
        return timezone.make_aware(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise InvalidSchedule(Fault.NO_TIME, "it is no time") from None
