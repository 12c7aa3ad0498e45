"""The REST endpoints of instances. They parse and answer; the rules are in `instances.lifecycle`."""

import re
import time
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from instances import described, lifecycle, preferences, qr, tokens
from instances.models import Instance, valid_name
from instances.preferences_api import changes_in
from instances.states import sentence
from instances.whatsapp import service
from instances.whatsapp.errors import LinkingFailed, NotConfirmed, NotConnected
from portal import audit, crowd
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import InvalidParameter, Parameters
from portal.rest.views import READING, UNNAMED, ApiView, InstanceView

# A new instance is taken up by a connector within a second. Whoever asks for
# its code right after making it waits that long, instead of hearing an error.
TAKE_UP_SECONDS = 3.0
LOOK_AGAIN = 0.1

STATUSES: Mapping[type[Exception], int] = {NotConnected: 503, NotConfirmed: 504, LinkingFailed: 502}


class NewInstance(ApiView):
    """POST /api/instance/new makes an instance, with a token of its own that is shown this once."""

    own_rate = "API_NEW_INSTANCE_RATE"

    def kept(self, data: Any) -> Any:
        """The token is shown once, and kept nowhere: who missed it rotates, or uses the account's."""
        made = data.get("instance")
        return {**data, "instance": {**made, "token": None}} if made else data

    @described.NEW
    def post(self, request: Request) -> Response:
        """Answer with the instance and its token."""
        if self.token.instance_id is not None:
            raise ApiError(403, "An account token is needed to create instances")
        fields = read_fields(request._request)
        name = fields.text("name").strip()
        # A secret that another system has already, so that moving here changes
        # none of its settings.
        chosen = fields.text("token")
        if not name:
            raise ApiError(400, UNNAMED)
        if chosen and not tokens.CHOSEN.fullmatch(chosen):
            raise InvalidBody("token must have 32 to 128 visible ASCII characters and no blank, or be left out")
        wanted = changes_in(fields.fields("settings"), Instance())
        try:
            instance, secret = lifecycle.create_with_token(self.token.account, name, chosen)
        except lifecycle.InvalidName:
            raise InvalidBody(f"name: {valid_name.message}") from None
        except lifecycle.QuotaExceeded:
            raise ApiError(403, "Account instance quota exceeded") from None
        except lifecycle.NameTaken:
            raise ApiError(409, f"Instance {name} exists already") from None
        except lifecycle.TokenTaken:
            raise ApiError(409, "This token is in use already: choose another one, or leave it out") from None
        words = preferences.in_words(instance, wanted)
        preferences.change(instance, wanted)
        audit.record_token(self.token, "instance created", instance.name, detail=words)
        return Response(
            {
                "success": True,
                "message": "Instance created successfully",
                "instance": {**shown(instance), "token": secret},
            }
        )


class ListInstances(ApiView):
    """GET /api/instance/list: what the token opens, or the ones named by `instanceName`."""

    scopes = READING

    @described.LIST
    def get(self, request: Request) -> Response:
        """Answer with each instance and its state."""
        # A name may hold no comma, so several fit into one parameter.
        wanted = [name for name in map(str.strip, Parameters(request).text("instanceName").split(",")) if name]
        if self.token.instance is not None:
            found = [self.token.instance]
        else:
            mine = Instance.objects.filter(account=self.token.account_id).order_by("name")
            found = list(mine.filter(name__in=wanted) if wanted else mine)
            if len(wanted) == 1 and not found:
                raise ApiError(404, str(tokens.InstanceNotFound()))
        return Response(
            {
                "success": True,
                "message": f"{len(found)} Instance{'' if len(found) == 1 else 's'} found",
                "instances": [shown(instance) for instance in found],
            }
        )


class ConnectInstance(InstanceView):
    """GET /api/instance/connect/:instance connects, or answers with the code by which a phone is linked."""

    statuses = STATUSES

    @described.CONNECT
    def get(self, request: Request, name: str) -> Response:
        """Answer with the state, and with a QR code or (`?number=`) a pairing code if no phone is linked."""
        parameters = Parameters(request)
        sent = parameters.text("number") or parameters.text("phone")
        self._await_connector()
        return Response(self._pairing_code(sent) if sent else self._connect())

    def _connect(self) -> dict[str, Any]:
        link = service.connect(self.instance)
        audit.record_token(self.token, "instance connected", self.instance.name)
        state = {"state": link.state, "sentence": link.sentence}
        if link.linked:
            return {"success": True, "message": "A phone is linked", "status": "linked", **state}
        return {
            "success": True,
            "message": "QR code generated",
            "status": "qr",
            **state,
            "qrCode": link.qr,
            "qrCodeBase64": qr.png(link.qr),
        }

    def _pairing_code(self, sent: str) -> dict[str, Any]:
        phone = re.sub(r"[+().\s-]", "", sent)
        if not re.fullmatch(r"[1-9][0-9]{6,14}", phone):
            raise InvalidParameter("number must be a phone number with its country code, for example 5511999999999")
        if self.instance.linked:
            raise ApiError(409, "A phone is linked already. Log out first to link another one.")
        code = service.pairing_code(self.instance, phone)
        audit.record_token(self.token, "pairing code asked for", self.instance.name)
        self.instance.refresh_from_db(fields=["state", "state_detail"])
        return {
            "success": True,
            "message": "Pairing code generated",
            "status": "pairing",
            "state": self.instance.state,
            "sentence": self.instance.sentence,
            "pairingCode": code,
        }

    def _await_connector(self) -> None:
        crowd.step_aside()
        limit = time.monotonic() + TAKE_UP_SECONDS
        while not self.instance.owner and time.monotonic() < limit:
            time.sleep(LOOK_AGAIN)
            self.instance.refresh_from_db(fields=["owner", "jid"])


class LogoutInstance(InstanceView):
    """POST /api/instance/logout/:instance unlinks the phone and deletes the keys; what is stored stays."""

    statuses = STATUSES
    repeatable = True

    @described.LOGOUT
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when the keys are gone, or were not there."""
        try:
            service.logout(self.instance)
        except NotConnected:
            if self.instance.linked:
                raise
        audit.record_token(self.token, "instance logged out", self.instance.name)
        return Response(
            {"success": True, "message": "Instance logged out successfully", "instanceName": self.instance.name}
        )


class DeleteInstance(InstanceView):
    """DELETE /api/instance/delete/:instance unlinks the phone and deletes the keys and all that is stored."""

    statuses = STATUSES

    @described.DELETE
    def delete(self, request: Request, name: str) -> Response:
        """Answer 200 when nothing is left of it."""
        lifecycle.delete(self.instance)
        audit.record_token(self.token, "instance deleted", name)
        return Response({"success": True, "message": "Instance deleted successfully", "instanceName": name})


def shown(instance: Instance) -> dict[str, Any]:
    """An instance as the API shows it."""
    return {
        "instanceName": instance.name,
        "state": instance.state,
        "sentence": sentence(instance.state, instance.state_detail),
        "numberJid": instance.jid or None,
        "lid": instance.lid or None,
        "profileName": instance.push_name,
        "linkedAt": instance.linked_at,
        "lastSeenAt": instance.last_seen_at,
        "createdAt": instance.created_at,
        "historyPercent": instance.history_percent,
        "historyAt": instance.history_at,
    }
