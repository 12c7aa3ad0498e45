"""The one table of who may what.

People: root runs the house; Alice administers the account "Alice & Bob", Bob is
an operator and Vera a viewer on its instance "shop", Otto an operator on its
other one, "desk"; Charlie administers another account; nobody is a member of
nothing; "" is not signed in. Each page is asked for things of Alice's shop.
"""

from collections.abc import Mapping

from instances.models import Token

FULL, PIN, READ = Token.Scope.FULL, Token.Scope.PIN, Token.Scope.READ
SCOPES = (FULL, PIN, READ)

PEOPLE = ("root", "alice", "bob", "vera", "otto", "charlie", "nobody", "")
Row = Mapping[str, int]
SIGN_IN, GONE, DENIED = 302, 404, 403


def _so(of: Row, code: int) -> Row:
    """The same rights, for an address that answers `code` where others answer 200."""
    return {who: code if status == 200 else status for who, status in of.items()}


ANYBODY = dict.fromkeys(PEOPLE, 200)
MEMBER = ANYBODY | {"": SIGN_IN}
# Of the shop: who may see it, pin there, manage it.
SEE = MEMBER | {"otto": GONE, "charlie": GONE, "nobody": GONE}
ACT = SEE | {"vera": DENIED}
MANAGE = SEE | {"bob": GONE, "vera": GONE}
# Files that leave the house: nothing for who may export nowhere.
EXPORT = MEMBER | {"vera": DENIED, "nobody": DENIED}
# Everybody is sent somewhere.
MOVED = dict.fromkeys(PEOPLE, 302)
# The administration: for who runs an account, or the house.
RUN = MOVED | {"root": 200, "alice": 200, "charlie": 200}
HOUSE = RUN | {"alice": DENIED, "charlie": DENIED}
# Charlie asks for what is Alice's.
THEIRS = RUN | {"charlie": 302}
NEVER = _so(RUN, DENIED)

# route: (method, who gets what)
PAGES: Mapping[str, tuple[str, Row]] = {
    "/": ("GET", MOVED),
    "/healthz": ("GET", ANYBODY),
    "/readyz": ("GET", ANYBODY),
    "/sign-in/": ("GET", MOVED | {"": 200}),
    "/sign-out/": ("POST", MOVED),
    "/preferences/": ("GET", MEMBER),
    "/preferences/password/": ("GET", MEMBER),
    "/preferences/language/": ("POST", MOVED),
    "/reference/": ("GET", MEMBER),
    "/live/": ("GET", MEMBER | {"": 401}),
    "/instances/": ("GET", MEMBER),
    # For an account that nobody here runs; tests/test_instance_pages.py has the others.
    "/instances/new/": ("POST", _so(MEMBER, GONE)),
    "/instances/<uuid:uid>/": ("GET", SEE),
    "/instances/<uuid:uid>/panel/": ("GET", SEE),
    "/instances/<uuid:uid>/qr/": ("GET", MANAGE),
    "/instances/<uuid:uid>/connect/": ("POST", MANAGE),
    "/instances/<uuid:uid>/pairing-code/": ("POST", MANAGE),
    "/instances/<uuid:uid>/webhooks/": ("GET", MANAGE),
    "/instances/<uuid:uid>/webhooks/add/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/webhooks/<uuid:hook>/": ("GET", MANAGE),
    "/instances/<uuid:uid>/webhooks/<uuid:hook>/act/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/disconnect/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/settings/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/keeping/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/log-out/": ("POST", _so(MANAGE, 302)),
    "/instances/<uuid:uid>/delete/": ("POST", _so(MANAGE, 302)),
    "/chats/": ("GET", MEMBER),
    "/chats/list/": ("GET", MEMBER),
    "/chats/<int:pk>/": ("GET", SEE),
    "/chats/<int:pk>/rows/": ("GET", SEE),
    "/chats/<int:pk>/pinned/": ("GET", SEE),
    "/chats/<int:pk>/details/": ("GET", SEE),
    "/chats/<int:pk>/state/": ("GET", SEE),
    "/messages/<int:pk>/": ("GET", SEE),
    "/messages/<int:pk>/pin-control/": ("GET", SEE),
    "/messages/<int:pk>/pin/": ("POST", ACT),
    "/messages/<int:pk>/unpin/": ("POST", ACT),
    "/messages/<int:pk>/schedule/": ("POST", _so(ACT, 302)),
    "/messages/<int:pk>/schedule/cancel/": ("POST", _so(ACT, 302)),
    "/messages/<int:pk>/file/show/": ("GET", SEE),
    # A text has no file; who may not see it hears no other answer.
    "/messages/<int:pk>/file/": ("GET", _so(MEMBER, GONE)),
    "/search/": ("GET", MEMBER),
    # Without words to search for.
    "/search/export/": ("GET", _so(EXPORT, 400)),
    "/pins/": ("GET", MEMBER),
    "/pins/history/": ("GET", MEMBER),
    "/pins/planned/": ("GET", MEMBER),
    "/pins/many/": ("GET", MEMBER),
    "/pins/many/add/": ("POST", _so(ACT, 302)),
    "/pins/many/<uuid:batch>/": ("GET", SEE),
    "/pins/many/<uuid:batch>/stop/": ("POST", _so(ACT, 302)),
    "/pins/many/<uuid:batch>/resume/": ("POST", _so(ACT, 302)),
    "/pins/rules/": ("GET", MEMBER),
    # For an instance on which one may pin.
    "/pins/rules/<uuid:uid>/add/": ("GET", ACT),
    "/pins/rules/<uuid:rule>/": ("GET", SEE),
    "/pins/rules/<uuid:rule>/switch/": ("POST", _so(ACT, 302)),
    "/pins/rules/<uuid:rule>/delete/": ("POST", _so(ACT, 302)),
    "/pins/figures/": ("GET", MEMBER),
    "/pins/figures.csv": ("GET", EXPORT),
    "/pins/pins.csv": ("GET", EXPORT),
    # --- The administration, as Django lays it out -------------------------
    "/admin/": ("GET", RUN),
    # No second door: signed in there is no sign-in here.
    "/admin/login/": ("GET", dict.fromkeys(PEOPLE, GONE) | {"": SIGN_IN}),
    "/admin/logout/": ("POST", MOVED),
    # To the portal's own form.
    "/admin/password_change/": ("GET", MOVED),
    "/admin/password_change/done/": ("GET", RUN),
    # Of a model that nobody searches so.
    "/admin/autocomplete/": ("GET", NEVER),
    "/admin/jsi18n/": ("GET", RUN),
    "/admin/r/<path:content_type_id>/<path:object_id>/": ("GET", _so(RUN, GONE)),
    "/admin/^(?P<app_label>instances|auth|portal)/$": ("GET", RUN),
    "/admin/(?P<url>.*)$": ("GET", _so(RUN, GONE)),
    **{
        f"/admin/{model}/{end}": ("GET", HOUSE)
        for model in ("auth/user", "instances/account", "instances/membership")
        for end in ("", "add/", *(f"<path:object_id>/{act}/" for act in ("change", "delete", "history")))
    },
    "/admin/auth/user/<id>/password/": ("GET", HOUSE),
    "/admin/instances/token/": ("GET", RUN),
    "/admin/instances/token/add/": ("GET", RUN),
    "/admin/instances/token/<int:pk>/rotate/": ("GET", RUN | {"charlie": GONE}),
    "/admin/instances/token/<path:object_id>/change/": ("GET", THEIRS),
    "/admin/instances/token/<path:object_id>/history/": ("GET", THEIRS),
    "/admin/instances/token/<path:object_id>/delete/": ("GET", NEVER),
    "/admin/portal/auditline/": ("GET", RUN),
    "/admin/portal/auditline/add/": ("GET", NEVER),
    "/admin/portal/auditline/<path:object_id>/change/": ("GET", THEIRS),
    "/admin/portal/auditline/<path:object_id>/history/": ("GET", THEIRS),
    "/admin/portal/auditline/<path:object_id>/delete/": ("GET", NEVER),
    # Old addresses of Django's: each leads to the one with "change/".
    **{
        f"/admin/{model}/<path:object_id>/": ("GET", MOVED)
        for model in ("auth/user", "instances/account", "instances/membership", "instances/token", "portal/auditline")
    },
}

# method and name: the scopes that open it. Whose token it is decides the rest.
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "POST instance/new": (FULL,),
    "GET instance/list": (FULL, READ),
    "GET instance/connect": (FULL,),
    "GET instance/settings": (FULL,),
    "POST instance/settings": (FULL,),
    "POST instance/logout": (FULL,),
    "DELETE instance/delete": (FULL,),
    "POST token/rotate": SCOPES,
    "POST webhook/add": (FULL,),
    "GET webhook/list": (FULL,),
    "POST webhook/change": (FULL,),
    "DELETE webhook/delete": (FULL,),
    "POST webhook/rotate": (FULL,),
    "POST webhook/test": (FULL,),
    "GET webhook/deliveries": (FULL,),
    "POST webhook/resend": (FULL,),
    "POST chat/pinMessage": (FULL, PIN),
    "POST chat/pinChat": (FULL, PIN),
    "POST chat/favorite": (FULL, PIN),
    "POST chat/history": (FULL, READ),
    "GET chat/search": (FULL, READ),
    "GET chat/list": (FULL, READ),
    "GET chat/pins": (FULL, READ),
    "POST chat/schedulePin": (FULL, PIN),
    "POST chat/cancelSchedule": (FULL, PIN),
    "GET chat/schedules": (FULL, READ),
    "POST chat/pinMany": (FULL, PIN),
    "GET chat/batches": (FULL, READ),
    "GET chat/batch": (FULL, READ),
    "POST chat/stopBatch": (FULL, PIN),
    "POST chat/resumeBatch": (FULL, PIN),
    "POST chat/addRule": (FULL,),
    "POST chat/previewRule": (FULL,),
    "POST chat/switchRule": (FULL,),
    "DELETE chat/deleteRule": (FULL,),
    "GET chat/rules": (FULL, READ),
    "GET chat/ruleHits": (FULL, READ),
    "GET chat/pinHistory": (FULL, READ),
    "GET chat/pinFigures": (FULL, READ),
    "GET chat/media": (FULL, READ),
    "GET chat/export": (FULL,),
    "POST message/sendText": (FULL,),
    "GET openapi.json": SCOPES,
}
# Of those that name no instance, the ones a token of a single instance cannot use.
ACCOUNT_ONLY = ("POST instance/new",)
# What anybody may read: it says how to call, and nothing of what is here.
PUBLIC = ("GET openapi.json",)
SOCKETS: Mapping[str, tuple[str, ...]] = {"/ws/": (FULL, READ)}
