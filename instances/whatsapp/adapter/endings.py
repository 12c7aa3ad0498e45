"""Why WhatsApp ended a connection, or did not begin one, for people."""

from neonize.proto import Neonize_pb2 as pb

from instances.states import CODE_RAN_OUT
from instances.whatsapp import events as ev

# whatsmeow's own words for how linking ends (qrchan.go), and for a demand that neonize 0.5.2 has no way to meet.
_LINKING = {
    "success": "",
    "timeout": CODE_RAN_OUT,
    "passkey-request": (
        "WhatsApp asks for this account's passkey before it links a device, and the library beneath the portal "
        "(neonize 0.5.2) cannot pass it on yet: the account cannot be linked for now. Others can."
    ),
    "err-scanned-without-multidevice": "The phone's WhatsApp is too old to link devices. Update it and try again.",
    "err-client-outdated": "WhatsApp no longer accepts this version of the portal. Upgrade the portal and try again.",
    "err-unexpected-state": "WhatsApp answered something else than was expected. Try again.",
    "error": "WhatsApp refused this device. Try again; if it lasts, look on the phone how many devices are linked.",
}


def linking(outcome: str) -> ev.QrEnded:
    """Codes are shown no more."""
    return ev.QrEnded(_LINKING.get(outcome, outcome))


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
