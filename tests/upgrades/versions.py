"""The versions that are tested: the last migrations each of them had. A release adds its own."""

from collections.abc import Mapping

WITH_PLANS, WITH_UNITS = "with plans", "with units"
VERSIONS: Mapping[str, list[tuple[str, str]]] = {
    # Before any release: accounts, instances, tokens, chats, messages and pins.
    "the first": [("chats", "0001_initial"), ("instances", "0001_initial")],
    # With people's roles, search, and the first audit.
    "with search": [("chats", "0003_search"), ("instances", "0003_instance_keep_days"), ("portal", "0001_audit")],
    # With plans, batches, rules and webhooks, before units of time in the search and the large fleets.
    WITH_PLANS: [("chats", "0012_group_admins"), ("instances", "0010_places"), ("portal", "0002_kept_answers")],
    # Before names of the address book, and before a piece of history said whose it is.
    WITH_UNITS: [("chats", "0013_search_units"), ("instances", "0011_fleet"), ("portal", "0002_kept_answers")],
}
# What Django itself had then.
DJANGO = [("auth", "0012_alter_user_first_name_max_length"), ("sessions", "0001_initial")]
