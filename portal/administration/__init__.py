"""Django's admin, as a part of the portal: same sign-in, same looks, and no more than the reader runs."""

from django.contrib.admin.apps import AdminConfig


class AdministrationConfig(AdminConfig):
    """Puts our site in the place of Django's."""

    default_site = "portal.administration.site.PortalSite"
