"""The app of chats, messages and pins."""

from django.apps import AppConfig


class ChatsConfig(AppConfig):
    """Chats, messages, pins."""

    name = "chats"
