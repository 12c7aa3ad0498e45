"""The endpoint of files, described for OpenAPI."""

from chats.api.described.common import ID, WHICH_MESSAGE
from portal.rest.openapi import described

MEDIA = described(
    "Fetch the file of a message; with the header Range, a part of it",
    parameters=[*WHICH_MESSAGE],
    files=["application/octet-stream"],
    ranges=True,
    errors=(
        (400, "messageId is required"),
        (403, "This was sent to be seen once: open it on the phone"),
        (404, f"message with ID {ID} not found"),
        (404, "There is no file behind this message"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
        (410, "WhatsApp no longer has this file: ask for it to be sent again, or open it on the phone"),
        (413, "This file is larger than the portal fetches: open it on the phone, or raise MEDIA_MAX_MB"),
        (
            413,
            "The portal broke down while it fetched this file, which may be larger than its sender said: "
            "open it on the phone, or try again tomorrow",
        ),
        (416, "The range begins behind the end of the file: it has 48211 bytes"),
        (502, "This file arrived damaged: what WhatsApp has is not what the sender sent. Ask for it to be sent again"),
        (503, "WhatsApp client is not connected"),
        (503, "Too many files are being fetched at the moment: try again in a minute"),
        (504, "WhatsApp's media server could not be reached: try again in a minute"),
    ),
)
