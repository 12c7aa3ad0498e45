"""Pinning from a page, the pin board, and the history."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chats import pins as rules
from chats.errands.batch import MOST
from chats.errors import CannotBePinned, RequestError
from chats.models import Message
from chats.selectors import board, history
from chats.selectors import pins as selectors
from chats.selectors.chat_list import find_message
from instances import access
from instances.whatsapp.errors import WhatsAppError
from portal.audit import name_of
from portal.views import typed
from portal.views.page import is_fragment, signed_in


@require_POST
@signed_in
def pin(request: HttpRequest, pk: int) -> HttpResponse:
    """Pin for everyone; answers with the control as things stand when WhatsApp has spoken."""
    return _act(request, pk, pinning=True)


@require_POST
@signed_in
def unpin(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the pin away for everyone."""
    return _act(request, pk, pinning=False)


def _act(request: HttpRequest, pk: int, *, pinning: bool) -> HttpResponse:
    message = find_message(request.user, pk)
    if not access.may_pin(message) or message.kind in Message.ACTIONS:
        return HttpResponse(status=403)
    asker = rules.Asker(words=name_of(request.user))
    try:
        if pinning:
            rules.pin(message, rules.parse_duration(request.POST.get("duration", "")), asker)
        else:
            rules.unpin(message, asker)
    except CannotBePinned:
        pass  # The control shows that there is nothing to pin.
    except RequestError:
        return HttpResponse(status=400)
    except WhatsAppError:
        pass  # It stands in the pin's book, from which the control is drawn.
    return _control(request, message)


@require_safe
@never_cache
@signed_in
def control(request: HttpRequest, pk: int) -> HttpResponse:
    """The control of one message as things stand."""
    return _control(request, find_message(request.user, pk))


def _control(request: HttpRequest, message: Any) -> HttpResponse:
    view = selectors.views_of([message]).get(message.pk, selectors.NO_PIN)
    context = {"message": message, "pin": view, "may_pin": access.may_pin(message) and message.pinnable}
    return render(request, "chats/_pin_control.html", context)


@require_safe
@never_cache
@signed_in
def pin_board(request: HttpRequest) -> HttpResponse:
    """All that is pinned now."""
    text = typed.words(request.GET.get("filter", ""))[:100]
    after = request.GET.get("after", "")
    rows = typed.rows(request.GET.get("rows", ""), board.PAGE)
    entries, more = board.current(request.user, text=text, after=board.Ending.parse(after), rows=rows)
    context = {"entries": entries, "more": more, "filter": text, "continued": bool(after), "most": MOST}
    return render(request, "chats/_board.html" if is_fragment(request) else "chats/board.html", context)


@require_safe
@never_cache
@signed_in
def pin_history(request: HttpRequest) -> HttpResponse:
    """What happened to pins, and who did it."""
    before = request.GET.get("before", "")
    lines, more = history.recent(request.user, before=typed.key(before))
    template = "chats/_history.html" if is_fragment(request) else "chats/history.html"
    may_export = bool(access.exportable(request.user))
    return render(request, template, {"lines": lines, "more": more, "may_export": may_export})
