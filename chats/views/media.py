"""The file behind a message: fetched when somebody asks for it, and given to them."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chats import media
from chats.media.response import BehindTheEnd, answer
from chats.selectors.chat_list import find_message
from instances.whatsapp.errors import WhatsAppError
from instances.words import in_words
from portal.views.page import signed_in


@require_safe
@never_cache
@signed_in
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """Fetch it, and show it in its place in the chat, or say why not."""
    message = find_message(request.user, pk)
    failed = None
    try:
        media.open_media(message)
    except WhatsAppError as error:
        failed = error
    return render(request, "chats/_file.html", {"view": media.view_of(message, failed)})


@require_safe
@signed_in
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file itself."""
    try:
        return answer(request, media.open_media(find_message(request.user, pk)))
    except WhatsAppError as error:
        return HttpResponse(in_words(str(error)), status=404, content_type="text/plain; charset=utf-8")
    except BehindTheEnd as error:  # A player asked, who reads no more than the headers.
        return HttpResponse(status=416, headers=error.headers)
