"""The audit, which says who did what; and the answers that are kept for an `Idempotency-Key`."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditLine(models.Model):
    """One thing a person did. Written once, never changed: `portal.audit` writes it."""

    at = models.DateTimeField(_("when"), default=timezone.now, db_index=True)
    # The words stay when the user is deleted.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(_("who"), max_length=150)
    action = models.CharField(_("what"), max_length=40, db_index=True)
    target = models.CharField(_("on what"), max_length=200, blank=True)
    detail = models.CharField(_("detail"), max_length=300, blank=True)
    account = models.ForeignKey(
        "instances.Account", on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("account")
    )

    request_id = models.CharField(_("request"), max_length=64, blank=True, help_text="As in the answer's X-Request-ID.")

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("audit line")
        verbose_name_plural = _("audit")

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save of the same line is refused."""
        if not self._state.adding:
            raise TypeError("the audit is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise TypeError("the audit is append-only")


class KeptAnswer(models.Model):
    """What a request with an Idempotency-Key was answered, for whoever sends it again: `portal.rest.idempotency`."""

    token = models.ForeignKey("instances.Token", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    # A hash of method, address and body: the key belongs to this request alone.
    request = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now, db_index=True)
    # Until when it may still be under way; afterwards the process that answered it must have died.
    until = models.DateTimeField()
    # Empty while it is under way.
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="one_answer_a_key")]

    def __str__(self) -> str:
        return self.key
