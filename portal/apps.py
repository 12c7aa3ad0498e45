"""The project as an app, for its management commands and templates."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Settings, URLs, the NATS connection, the command that starts it all."""

    name = "portal"
