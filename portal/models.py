"""What happened in the portal, and who did it."""

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
