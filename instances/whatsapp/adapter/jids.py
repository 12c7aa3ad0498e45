"""WhatsApp's names for chats and people, from the library's values to text and back."""

from neonize.proto import Neonize_pb2 as pb


def text(jid: pb.JID) -> str:
    """`user@server` without the device; empty when there is none."""
    return "" if jid.IsEmpty or not jid.Server else f"{jid.User}@{jid.Server}"


def of(text: str) -> pb.JID:
    """The library's value for `user@server`."""
    user, _, server = text.rpartition("@")
    return pb.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False)
