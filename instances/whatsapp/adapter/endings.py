"""Why WhatsApp ended a connection, for people."""

from neonize.proto import Neonize_pb2 as pb

from instances.whatsapp import events as ev


def logged_out(event: pb.LoggedOut) -> ev.LoggedOut:
    """The phone or WhatsApp has unlinked this device."""
    # WhatsApp Web's own names for 403 and 406 are "locked" and "banned" (whatsmeow, types/events).
    match pb.ConnectFailureReason.Name(event.Reason):
        case "MAIN_DEVICE_GONE":
            return ev.LoggedOut("WhatsApp has locked this account", banned=True)
        case "UNKNOWN_LOGOUT":
            return ev.LoggedOut("WhatsApp has banned this number", banned=True)
    return ev.LoggedOut("")


def banned(event: pb.TemporaryBan) -> ev.Banned:
    """WhatsApp lets this account wait."""
    return ev.Banned(_words(pb.TemporaryBan.TempBanReason.Name(event.Code)), event.Expire)


def connect_failed(event: pb.ConnectFailure) -> ev.ConnectFailed:
    """WhatsApp refused the connection."""
    return ev.ConnectFailed(event.Message or _words(pb.ConnectFailureReason.Name(event.Reason)))


def _words(name: str) -> str:
    return name.replace("_", " ").lower()
