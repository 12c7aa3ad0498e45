"""Many pins together: taking a selection on, and watching how far it is."""

from collections import defaultdict
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chats import pins
from chats.errands import batch as rules
from chats.errands.batch import BatchOver, By, InvalidBatch, Wanted
from chats.models import Batch
from chats.selectors import batches as selectors
from instances import access
from portal.views import typed
from portal.views.page import is_fragment, signed_in


@require_POST
@signed_in
def add(request: HttpRequest) -> HttpResponse:
    """Take a selection on: a batch for each instance its messages are of."""
    keys = typed.keys(request.POST.getlist("message"))
    if len(keys) > rules.MOST:
        words = _("A selection may have %(most)s messages at most. Do these first, then the others.")
        messages.error(request, words % {"most": rules.MOST})
        return redirect("batches")
    action, _colon, word = request.POST.get("act", "").partition(":")
    found = selectors.messages_for(request.user, keys)
    if not found:
        raise Http404
    mine = [message for message in found if access.may_pin(message)]
    if not mine:
        return HttpResponse(status=403)
    if action not in Batch.Action.values or (action != Batch.Action.UNPIN and word not in pins.DURATIONS):
        return HttpResponse(status=400)
    # In the order in which they were shown.
    place = {key: number for number, key in enumerate(keys)}
    of_instance: dict[Any, list[Wanted]] = defaultdict(list)
    for message in sorted(mine, key=lambda one: place[one.pk]):
        of_instance[message.instance].append(Wanted(message.message_id, message))
    try:
        # All of it or nothing; in one order, else two selections might each wait for what the other has locked.
        with transaction.atomic():
            made = [
                rules.make(instance, Batch.Action(action), pins.DURATIONS.get(word), wanted, By(user=request.user))
                for instance, wanted in sorted(of_instance.items(), key=lambda each: each[0].pk)
            ]
    except InvalidBatch:
        messages.error(request, _("Many selections are not over yet. Wait for one, or resume it."))
        return redirect("batches")
    return redirect("batch", batch=made[0].uid) if len(made) == 1 else redirect("batches")


@require_safe
@never_cache
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """All selections, the newest first."""
    before = request.GET.get("before", "")
    rows = typed.rows(request.GET.get("rows", ""), selectors.PAGE)
    shown, more = selectors.recent(request.user, typed.key(before), rows)
    template = "chats/_batches.html" if is_fragment(request) else "chats/batches.html"
    return render(request, template, {"shown": shown, "more": more, "continued": bool(before)})


@require_safe
@never_cache
@signed_in
def batch(request: HttpRequest, batch: UUID) -> HttpResponse:
    """One selection: how far it is, and what came of each message."""
    progress = selectors.find(request.user, batch)
    after = request.GET.get("after", "")
    rows = typed.rows(request.GET.get("rows", ""), selectors.ITEMS)
    items, more = selectors.items_of(progress.batch, typed.key(after) or 0, rows)
    context = {"progress": progress, "items": items, "more": more}
    if after:
        return render(request, "chats/_batch_items.html", context)
    return render(request, "chats/_batch.html" if is_fragment(request) else "chats/batch.html", context)


@require_POST
@signed_in
def stop(request: HttpRequest, batch: UUID) -> HttpResponse:
    """Send nothing more of it until it is resumed."""
    return _act(request, batch, rules.stop)


@require_POST
@signed_in
def resume(request: HttpRequest, batch: UUID) -> HttpResponse:
    """Go on where it stopped."""
    return _act(request, batch, rules.resume)


def _act(request: HttpRequest, uid: UUID, act: Any) -> HttpResponse:
    progress = selectors.find(request.user, uid)
    if not progress.may_pin:
        return HttpResponse(status=403)
    # One that is over shows on the page that it is.
    with suppress(BatchOver):
        act(progress.batch, By(user=request.user))
    return redirect("batch", batch=uid)
