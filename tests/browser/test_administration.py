"""The administration in a real browser: nothing for axe-core to find."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

# Of each: the list, making one, changing one. A user is made below; nobody makes or changes a line of the audit.
MODELS = {
    "instances/account": ["", "add/", "FIRST/change/"],
    "auth/user": ["?q=nobody", "FIRST/change/", "FIRST/delete/"],
    "instances/membership": ["add/"],
    "instances/token": ["", "add/", "FIRST/change/", "FIRST/rotate/"],
    "portal/auditline": ["", "FIRST/change/"],
}
# A colour on its way to another has a contrast of its own.
SETTLED = "Promise.allSettled(document.getAnimations().map(one => one.finished))"


@pytest.fixture(scope="module")
def paths(home: House) -> list[str]:
    """Every page, once there is something on each."""
    firsts = home.python(f"""
        import json
        from django.apps import apps
        from instances import tokens
        from instances.models import Account
        from portal import audit
        token, _ = tokens.issue(Account.objects.first(), label="CRM")
        audit.record_token(token, "text sent")
        first = lambda name: apps.get_model(name.replace("/", ".")).objects.first().pk
        print("RESULT", json.dumps({{name: first(name) for name in {list(MODELS)}}}))
    """)
    pages = [
        f"{model}/{page.replace('FIRST', str(firsts[model]))}" for model, pages in MODELS.items() for page in pages
    ]
    return ["", *pages]


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing_light_or_dark(home: House, paths: list[str], person: MakePerson, size: str) -> None:
    options: dict[str, Any] = PHONE if size == "phone" else {}
    root = person(**options)
    root.sign_in("admin", home.portal.password or "")
    page = root.page
    found = {}

    def look(what: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(SETTLED)
            if problems := root.axe():
                found[what, scheme] = problems

    for path in paths:
        root.go(f"/admin/{path}")
        look(path)
    root.go("/admin/auth/user/add/")
    page.click("[name=_save]")
    expect(page.locator(".errornote")).to_be_visible()
    look("a refusal")
    root.go("/admin/instances/token/add/")
    page.fill("[name=label]", size)
    page.click("[name=_save]")
    expect(page.locator("#secret")).to_be_visible()
    look("a token")
    # Chromium's advice on Django's forms: which fields might name their autocompletion.
    root.complaints[:] = [line for line in root.complaints if not line.startswith(("verbose:", "info:"))]
    assert found == {}
