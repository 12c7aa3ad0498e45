"""The app of accounts, instances, tokens and the WhatsApp connections."""

from django.apps import AppConfig


class InstancesConfig(AppConfig):
    """Who may do what, and the connections."""

    name = "instances"
