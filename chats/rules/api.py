"""The REST endpoints of rules. They parse and answer; what a rule may be is in `chats.rules.manage`.

A rule reads what people write and acts for as long as it is on: making, trying
and switching one takes a token with the scope full.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins
from chats.api.paging import ending, place
from chats.errands.batch import By
from chats.errors import InvalidDuration
from chats.models import Rule, RuleHit
from chats.rules import described, manage
from chats.rules.manage import InvalidRule, RuleNotFound, Wanted
from chats.rules.preview import preview
from chats.selectors import rest
from chats.shown import shown_message
from portal.rest.body import Fields, read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import COUNT, MOST, Parameters, uid_in
from portal.rest.views import READING, InstanceView


class RuleView(InstanceView):
    """What the endpoints of one rule have in common."""

    repeatable = True
    statuses = {RuleNotFound: 404, InvalidDuration: 500}

    def named(self, uid: str, field: str = "ruleId") -> Rule:
        """The rule with this id. Raises ApiError or RuleNotFound."""
        if not uid.strip():
            raise ApiError(400, f"{field} is required")
        return manage.find(self.instance, uid_in(uid.strip(), RuleNotFound))

    def wanted(self, fields: Fields) -> Wanted:
        """A rule as a body puts it. Raises InvalidBody."""
        return Wanted(
            name=fields.text("name"),
            trigger=fields.text("trigger").strip(),
            words=fields.text("words"),
            people=tuple(fields.texts("people") or []),
            chat=fields.text("chat"),
            duration=pins.parse_duration(fields.text("duration")),
            an_hour=fields.number("anHour", 10, manage.MOST_AN_HOUR),
        )


class AddRule(RuleView):
    """POST /api/chat/addRule/:instance: a rule, switched off until somebody has looked at its preview."""

    repeatable = False

    @described.ADD
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it is written down."""
        wanted = self.wanted(read_fields(request._request))
        try:
            rule = manage.add(self.instance, wanted, By(token=self.token))
        except InvalidRule as error:
            raise InvalidBody(str(error), for_now=error.for_now) from None
        return Response({"success": True, "message": "Rule added successfully", "rule": shown(rule)})


class PreviewRule(RuleView):
    """POST /api/chat/previewRule/:instance: what a rule would have pinned of what is stored."""

    keeps = False

    @described.PREVIEW
    def post(self, request: Request, name: str) -> Response:
        """Answer with what was found; nothing is sent, and nothing is kept."""
        fields = read_fields(request._request)
        if fields.given("ruleId"):
            rule = self.named(fields.text("ruleId"))
        else:
            try:
                rule = manage.draft(self.instance, self.wanted(fields), By(token=self.token))
            except InvalidRule as error:
                raise InvalidBody(str(error)) from None
        found = preview(rule)
        return Response(
            {
                "success": True,
                "found": found.found,
                "lookedAt": found.looked_at,
                "busiestHour": found.busiest_hour,
                "messages": [shown_message(message) for message in found.messages],
            }
        )


class SwitchRule(RuleView):
    """POST /api/chat/switchRule/:instance: on, for what comes from now on, or off."""

    @described.SWITCH
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when it is so, or was before."""
        fields = read_fields(request._request)
        active = fields.flag("active", "true switches it on, false off")
        rule = self.named(fields.text("ruleId"))
        manage.switch(rule, active, By(token=self.token))
        words = f"Rule switched {'on' if active else 'off'} successfully"
        return Response({"success": True, "message": words, "rule": shown(rule)})


class DeleteRule(RuleView):
    """DELETE /api/chat/deleteRule/:instance: the rule and the list of what it found; the pins stay."""

    @described.DELETE
    def delete(self, request: Request, name: str) -> Response:
        """Answer 200 when it is gone."""
        rule = self.named(Parameters(request).text("id"), "id")
        uid = str(rule.uid)
        manage.delete(rule, By(token=self.token))
        return Response({"success": True, "message": "Rule deleted successfully", "id": uid})


class Rules(InstanceView):
    """GET /api/chat/rules/:instance: the rules."""

    scopes = READING

    @described.RULES
    def get(self, request: Request, name: str) -> Response:
        """Answer with all of them, the oldest first."""
        rules = list(Rule.objects.filter(instance=self.instance).select_related("chat").order_by("pk"))
        return Response({"success": True, "rules": [shown(rule) for rule in rules], "count": len(rules)})


class RuleHits(RuleView):
    """GET /api/chat/ruleHits/:instance: what a rule found, and what came of each."""

    scopes = READING

    @described.HITS
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page, the newest first."""
        parameters = Parameters(request)
        uid, limit = parameters.text("id"), parameters.number("limit", COUNT, MOST)
        part = rest.hits_of(self.named(uid, "id"), count=limit, before=place(parameters))
        return Response({"success": True, "hits": [shown_hit(hit) for hit in part.rows], **ending(part)})


def shown(rule: Rule) -> dict[str, Any]:
    """A rule as the API shows it."""
    return {
        "id": str(rule.uid),
        "name": rule.name,
        "active": rule.active,
        "since": rule.since,
        "trigger": rule.trigger,
        "words": rule.words or None,
        "people": rule.people,
        "chatJid": rule.chat.jid if rule.chat is not None else None,
        "duration": pins.WORDS[rule.duration],
        "anHour": rule.an_hour,
        "by": rule.actor,
        "createdAt": rule.created_at,
    }


def shown_hit(hit: RuleHit) -> dict[str, Any]:
    """What a rule found, as the API shows it."""
    return {
        "messageId": hit.called,
        "chatJid": hit.chat_jid,
        "state": hit.state,
        "detail": hit.detail or None,
        "foundAt": hit.found_at,
        "at": hit.at,
    }
