"""The REST endpoints of schedules. They parse and answer; the rules are in `chats.schedule.wish`."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins
from chats.api.paging import ending, place
from chats.api.pinning import asker
from chats.errors import CannotBePinned, InvalidDuration, MessageAmbiguous, MessageNotFound
from chats.models import Schedule
from chats.schedule import described, wish
from chats.schedule.wish import InvalidSchedule, ScheduleNotFound, ScheduleOver, Wanted
from chats.selectors import rest
from chats.shown import shown_message
from portal.middleware import zone_named
from portal.rest.body import Fields, read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import COUNT, MOST, Parameters, uid_in
from portal.rest.views import PINNING, READING, InstanceView

# The value of `until` for a pin that stays until somebody stops it.
STOPPED = "stopped"


class ScheduleView(InstanceView):
    """What the endpoints that change a schedule have in common."""

    scopes = PINNING
    repeatable = True

    def kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """Without the text of the message, which may be deleted before somebody asks again."""
        if "schedule" not in data:
            return data
        schedule = data["schedule"]
        return {**data, "schedule": {**schedule, "message": {**schedule["message"], "text": ""}}}


class SchedulePin(ScheduleView):
    """POST /api/chat/schedulePin/:instance: pin later, again and again, or for longer; or unpin later."""

    statuses = {
        MessageNotFound: 500,
        MessageAmbiguous: 409,
        InvalidDuration: 500,
        CannotBePinned: 409,
    }

    @described.SCHEDULE
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it is written down; the same wish again is answered with what is there."""
        fields = read_fields(request._request)
        message_id, chat_jid = fields.text("messageId"), fields.text("chatJid").strip() or None
        duration = fields.text("duration")
        wanted = _wanted(fields)
        if not message_id.strip():
            raise ApiError(400, "messageId is required")
        message = pins.find_message(self.instance, message_id, chat_jid)
        if duration:
            wanted["duration"] = pins.parse_duration(duration)
        try:
            schedule = wish.make(message, Wanted(**wanted), asker(self.token))
        except InvalidSchedule as error:
            raise InvalidBody(str(error), for_now=error.for_now) from None
        return _answer("Pin scheduled successfully" if schedule.pinning else "Unpin scheduled successfully", schedule)


class CancelSchedule(ScheduleView):
    """POST /api/chat/cancelSchedule/:instance: nothing more comes of it; what is pinned stays pinned."""

    statuses = {ScheduleNotFound: 404, ScheduleOver: 409}

    @described.CANCEL
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it is cancelled, or was before."""
        uid = read_fields(request._request).text("scheduleId").strip()
        if not uid:
            raise ApiError(400, "scheduleId is required")
        schedule = wish.find(self.instance, uid_in(uid, ScheduleNotFound))
        wish.cancel(schedule, asker(self.token))
        return _answer("Schedule cancelled successfully", schedule)


class Schedules(InstanceView):
    """GET /api/chat/schedules/:instance: what is planned, and what came of it."""

    scopes = READING

    @described.LIST
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of schedules, the newest first; in another state with `state`."""
        parameters = Parameters(request)
        state = parameters.choice("state", (*Schedule.State.values, "all"))
        limit = parameters.number("limit", COUNT, MOST)
        message_id = parameters.text("messageId")
        before = place(parameters)
        part = rest.schedules_of(self.instance, state=state, message_id=message_id, count=limit, before=before)
        return Response({"success": True, "schedules": [shown(one) for one in part.rows], **ending(part)})


def shown(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the API shows it."""
    waiting = schedule.state == Schedule.State.WAITING
    return {
        "id": str(schedule.uid),
        "state": schedule.state,
        "next": schedule.step if waiting else None,
        "nextAt": schedule.due_at,
        "pinAt": schedule.starts_at if schedule.pinning else None,
        "unpinAt": None if schedule.pinning else schedule.starts_at,
        "repeat": schedule.repeat or None,
        "timeZone": schedule.zone,
        "duration": pins.WORDS.get(schedule.duration or 0),
        "until": STOPPED if schedule.stay else schedule.until,
        "by": schedule.actor,
        "createdAt": schedule.created_at,
        "last": schedule.last_step or None,
        "lastAt": schedule.last_at,
        "lastOutcome": schedule.last_outcome or None,
        "lastDetail": schedule.last_detail or None,
        "message": shown_message(schedule.message),
    }


def _answer(words: str, schedule: Schedule) -> Response:
    return Response({"success": True, "message": words, "schedule": shown(schedule)})


def _wanted(fields: Fields) -> dict[str, Any]:
    """The wish in a body, but for its duration. Raises InvalidBody."""
    zone = fields.text("timeZone").strip()
    until = fields.text("until").strip()
    stay = until == STOPPED
    return {
        "pin_at": _moment(fields, "pinAt", zone),
        "unpin_at": _moment(fields, "unpinAt", zone),
        "repeat": fields.text("repeat").strip(),
        "zone": zone,
        "until": None if stay else _moment(fields, "until", zone),
        "stay": stay,
    }


def _moment(fields: Fields, name: str, zone: str) -> datetime | None:
    """A point in time; of `timeZone` where it names no zone itself."""
    text = fields.text(name).strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=at.tzinfo or zone_named(zone) or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        also = ' or "stopped"' if name == "until" else ""
        raise InvalidBody(f"{name} must be a time in ISO 8601, such as 2026-12-24T18:00:00Z{also}") from None
