"""The files behind messages: what is known of one, the files that were fetched, and how to get at one.

WhatsApp keeps the files encrypted; a message holds the key. Nothing is fetched
before somebody asks for it.
"""

from chats.media.fetch import Media, open_media
from chats.media.view import FileView, view_of

__all__ = ["FileView", "Media", "open_media", "view_of"]
