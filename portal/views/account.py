"""Signing in and out, and the reader's own settings."""

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

from portal import audit
from portal.rest import rate
from portal.rest.address import client_address

YEAR_SECONDS = 365 * 24 * 3600


class Counted:
    """Mixed into a form that looks at a password: each try costs a slow hash, and guesses one."""

    # Whose tries are counted together, and apart from those of other forms.
    group: str

    def tried_by(self, request: HttpRequest) -> str:
        """Whose try this is."""
        raise NotImplementedError

    def post(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Look at the password, unless they have tried too often."""
        usage = rate.count(request, self.tried_by(request), settings.SIGN_IN_RATE, group=self.group)
        if not usage.over:
            return super().post(request, *args, **kwargs)  # type: ignore[misc,no-any-return]
        blank = self.get_form_class()(**{**self.get_form_kwargs(), "data": None, "files": None})
        context = self.get_context_data(form=blank, too_often=True)
        headers = {"Retry-After": str(usage.retry_after)}
        return self.render_to_response(context, status=429, headers=headers)  # type: ignore[no-any-return]


class SignIn(Counted, auth_views.LoginView):
    """The one door. django-axes counts the failures of each name behind it; here all tries of an address count."""

    template_name = "portal/sign_in.html"
    redirect_authenticated_user = True
    group = "sign-in"

    def tried_by(self, request: HttpRequest) -> str:
        """The address."""
        return f"address:{client_address(request)}"


class ChangePassword(Counted, auth_views.PasswordChangeView):
    """For oneself. Who finds somebody else's session open could guess their password here."""

    template_name = "portal/password.html"
    success_url = reverse_lazy("preferences")
    group = "password"

    def tried_by(self, request: HttpRequest) -> str:
        """The person, from wherever."""
        return f"user:{request.user.pk}"

    def form_valid(self, form: Any) -> HttpResponse:
        """Note it, and go back to the settings."""
        audit.record(self.request.user, "password changed")
        return super().form_valid(form)


def address_of(request: HttpRequest) -> str | None:
    """The caller's address for the brake on guessing, by the same rule as for the API's limits."""
    try:
        return str(ipaddress.ip_address(client_address(request)))
    except ValueError:
        return None


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Any = None) -> HttpResponse:
    """Too many failures: say so, and for how long."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {"form": AuthenticationForm(request), "locked_minutes": minutes}
    return render(request, "portal/sign_in.html", context, status=429)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Keep the language in a cookie and go back."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = "/"
    # Not `redirect`, which takes a word for the name of a page and fails where there is none.
    response = HttpResponseRedirect(target)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and check_for_language(language):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME, language, max_age=YEAR_SECONDS, samesite="Lax", secure=settings.HTTPS
        )
    return response


@receiver(user_logged_in)
def note_sign_in(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """One line in the audit."""
    audit.record(user, "signed in", detail=address_of(request) or "")


@receiver(user_logged_out)
def note_sign_out(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """One line in the audit."""
    if isinstance(user, get_user_model()):
        audit.record(user, "signed out")
