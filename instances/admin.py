"""Accounts, roles and tokens in the administration."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.selectors import standing
from instances import access, tokens
from instances.models import Account, Instance, Membership, Token
from portal import audit
from portal.administration.base import AccountScopedAdmin, Audited, HouseAdmin, OwnAccounts


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A role; the instances must be the account's own."""

    class Meta:
        model = Membership
        fields = ("user", "account", "role", "all_instances", "instances")

    def clean(self) -> dict[str, Any]:
        """Refuse instances of another account: they would not count, and look as if they did."""
        data: dict[str, Any] = super().clean() or {}
        account = data.get("account") or getattr(self.instance, "account", None)
        strangers = [one.name for one in data.get("instances") or () if account and one.account_id != account.pk]
        if strangers:
            raise forms.ValidationError(_("Not of this account: %(names)s") % {"names": ", ".join(strangers)})
        return data


class MembershipInline(admin.StackedInline):  # type: ignore[type-arg]
    """A person's or an account's memberships, stacked: a table's fields would have no labels of their own."""

    model = Membership
    form = MembershipForm
    extra = 0
    verbose_name_plural = _("roles")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers, as the pages it stands on."""
        return access.is_superuser(request.user)

    has_add_permission = has_view_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


@admin.register(Account)
class AccountAdmin(Audited, HouseAdmin):
    """Who owns instances."""

    list_display = ("name", "instances_made", "instance_quota", "created_at")
    search_fields = ("name",)
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """With the number of instances."""
        return super().get_queryset(request).annotate(made=Count("instances", filter=Q(instances__going_at=None)))  # type: ignore[no-any-return]

    @admin.display(description=_("instances"), ordering="made")
    def instances_made(self, account: Any) -> int:
        """How many there are."""
        return int(account.made)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Refuse what still has instances, of one page or of many ticks.

        Their rows would go with the account's, while their phones stay linked
        and the keys to them lie here: `lifecycle.delete` takes all of it away.
        """
        there, standing = Count("instances"), Count("instances", filter=Q(instances__going_at=None))
        kept = Account.objects.filter(pk__in=[one.pk for one in objs]).annotate(there=there, standing=standing)
        hindered = [_hindrance(account) for account in kept.filter(there__gt=0).order_by("name")]
        # What else would go need not be counted then: it may be millions of messages.
        return ([], {}, set(), hindered) if hindered else super().get_deleted_objects(objs, request)


def _hindrance(account: Any) -> str:
    words = _("%(account)s has instances. Delete each on its own page first, which unlinks its phone.")
    if not account.standing:
        words = _("Instances of %(account)s are still being removed. Try again in a few minutes.")
    return words % {"account": account.name}


@admin.register(Membership)
class MembershipAdmin(Audited, HouseAdmin):
    """Who may do what."""

    form = MembershipForm
    list_display = ("user", "account", "role", "all_instances")
    list_filter = ("role", "account")
    search_fields = ("user__username", "user__first_name", "user__last_name", "account__name")
    filter_horizontal = ("instances",)


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a new token opens, and until when."""

    class Meta:
        model = Token
        fields = ("account", "instance", "scope", "label", "expires_at")

    def clean(self) -> dict[str, Any]:
        """The instance must be the account's own; the expiry lies ahead."""
        data: dict[str, Any] = super().clean() or {}
        instance, account = data.get("instance"), data.get("account")
        if instance and account and instance.account_id != account.pk:
            self.add_error("instance", _("This instance belongs to another account."))
        expires = data.get("expires_at")
        if expires and expires <= timezone.now():
            self.add_error("expires_at", _("This time is over already."))
        return data


class RotateForm(forms.Form):
    """How long the old token is good beside the new one."""

    hours = forms.IntegerField(
        label=_("Hours"), min_value=0, max_value=24 * 365, initial=24, help_text=_("0: the old token ends at once.")
    )


class StateFilter(admin.SimpleListFilter):
    """Usable tokens, or those that are not."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The choices."""
        return [("usable", _("Usable")), ("expired", _("Expired")), ("revoked", _("Revoked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> QuerySet[Token]:
        """Those of the chosen state."""
        now = timezone.now()
        if self.value() == "revoked":
            return queryset.filter(revoked_at__isnull=False)
        if self.value() == "expired":
            return queryset.filter(revoked_at__isnull=True, expires_at__lte=now)
        if self.value() == "usable":
            return queryset.filter(revoked_at__isnull=True).exclude(expires_at__lte=now)
        return queryset


@admin.register(Token)
class TokenAdmin(AccountScopedAdmin):
    """Tokens: issued here, shown once, and revoked; never deleted, so that histories keep their names."""

    form = TokenForm
    list_display = ("named", "account", "opens", "scope", "state", "last_used_at", "expires_at", "created_at")
    list_filter = (StateFilter, "scope", ("account", OwnAccounts))
    search_fields = ("label", "prefix", "instance__name", "account__name")
    list_select_related = ("account", "instance", "successor")
    actions = ("revoke",)
    change_form_template = "admin/token_change.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of an existing token more is known."""
        if obj is None:
            return ("account", "instance", "scope", "label", "expires_at")
        return (
            "label",
            "prefix",
            "account",
            "opens",
            "scope",
            "state",
            "created_at",
            "last_used_at",
            "expires_at",
            "revoked_at",
            "successor",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only the label may change afterwards: what a token opens is a promise."""
        return () if obj is None else self.get_fields(request, obj)[1:]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer what this person runs."""
        accounts = access.administered(request.user)
        if db_field.name == "account":
            kwargs["queryset"] = accounts.order_by("name")
            kwargs.setdefault("initial", accounts.first())
        if db_field.name == "instance":
            kwargs["queryset"] = Instance.objects.filter(account__in=accounts).order_by("name")
            kwargs["empty_label"] = _("All instances of the account")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        """Issue; the secret lives until the answer to this request, and nowhere else."""
        if change:
            obj.save(update_fields=["label"])
            return
        made, secret = tokens.issue(
            obj.account, instance=obj.instance, label=obj.label, expires_at=obj.expires_at, scope=obj.scope
        )
        obj.pk, obj.prefix, obj.digest = made.pk, made.prefix, made.digest
        obj._state.adding = False
        request.issued_secret = secret  # type: ignore[attr-defined]
        audit.record(request.user, "token issued", obj, account=obj.account, detail=str(self.opens(obj)))

    def response_add(self, request: HttpRequest, obj: Token, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret this once, in the answer itself."""
        return self._show(request, obj, request.issued_secret)  # type: ignore[attr-defined]

    def _show(self, request: HttpRequest, obj: Token, secret: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "token": obj, "secret": secret, "title": _("Token issued")}
        response = TemplateResponse(request, "admin/token_issued.html", {**context, "opts": self.opts})
        response["Cache-Control"] = "no-store"
        return response

    def get_urls(self) -> list[Any]:
        """Also the page that rotates a token."""
        rotate = self.admin_site.admin_view(self.rotate_view)
        return [path("<int:pk>/rotate/", rotate, name="instances_token_rotate"), *super().get_urls()]

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for how long both are good, then make the successor and show it this once."""
        token = self.get_object(request, str(pk))
        if token is None or not self.has_change_permission(request, token):
            raise Http404
        form = RotateForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                successor, secret = tokens.rotate(token, timedelta(hours=form.cleaned_data["hours"]))
            except tokens.RotatedAlready:
                form.add_error(None, _("This token was rotated already: rotate its successor."))
            except tokens.Revoked:
                form.add_error(None, _("This token was revoked: make a new one."))
            else:
                audit.record(request.user, "token rotated", token, account=token.account, detail=str(successor))
                return self._show(request, successor, secret)
        context = {**self.admin_site.each_context(request), "title": _("Rotate"), "token": token, "form": form}
        return TemplateResponse(request, "admin/token_rotate.html", {**context, "opts": self.opts})

    @admin.action(description=_("Revoke the chosen tokens"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        """They, and what they were rotated into, open nothing any more, from the next request on."""
        count = 0
        keys: set[int] = set()
        # Those that are revoked as well: what came of them may be good.
        for token in queryset:
            if revoked := tokens.revoke(token):
                audit.record(request.user, "token revoked", token, account=token.account)
                count += revoked
            keys.update(tokens.line(token))
        messages.success(request, _("%(count)d revoked.") % {"count": count})
        plans, rules = standing.made_with(keys)
        if plans or rules:
            words = _(
                "What was made with them goes on. Plans: %(plans)d, which can be cancelled under Planned. "
                "Rules: %(rules)d, which can be switched off under Rules."
            )
            messages.warning(request, words % {"plans": plans, "rules": rules})

    @admin.display(description=_("token"), ordering="label")
    def named(self, token: Token) -> str:
        """Label and visible start."""
        return str(token)

    @admin.display(description=_("opens"))
    def opens(self, token: Token) -> str:
        """One instance, or all."""
        return token.instance.name if token.instance else str(_("all instances"))

    @admin.display(description=_("state"))
    def state(self, token: Token) -> str:
        """In a word."""
        return str(_("revoked") if token.revoked_at else _("usable") if token.usable else _("expired"))
