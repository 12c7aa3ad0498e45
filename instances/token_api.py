"""The REST endpoint of tokens: the rules are in `instances.tokens`."""

from datetime import timedelta

from rest_framework.request import Request
from rest_framework.response import Response

from instances import described, tokens
from portal import audit
from portal.rest import call
from portal.rest.body import read_fields
from portal.rest.errors import ApiError
from portal.rest.views import PINNING, READING, ApiView

OVERLAP_HOURS, MOST_HOURS = 24, 7 * 24


class RotateToken(ApiView):
    """POST /api/token/rotate makes a successor of the token that is sent; both are good for a while."""

    scopes = PINNING | READING

    @described.ROTATE
    def post(self, request: Request) -> Response:
        """Answer with the successor, shown this once."""
        hours = read_fields(request._request).number("overlapHours", OVERLAP_HOURS, MOST_HOURS)
        try:
            successor, secret = tokens.rotate(self.token, timedelta(hours=hours), by_holder=True)
        except (tokens.RotatedAlready, tokens.RotatedLately) as error:
            raise ApiError(409, str(error)) from None
        except tokens.Revoked:
            # Since the call was let in.
            raise call.unauthenticated(call.INVALID) from None
        audit.record_token(self.token, "token rotated", successor)
        return Response(
            {
                "success": True,
                "message": "Token rotated successfully",
                "token": secret,
                "scope": successor.scope,
                "expiresAt": successor.expires_at,
                "oldTokenExpiresAt": self.token.expires_at,
            }
        )

    def kept(self, data: dict[str, object]) -> dict[str, object]:
        """The token is shown once, and kept nowhere."""
        return {**data, "token": None} if "token" in data else data
