"""Who calls: programs with tokens of their own, of many accounts, some that share one, and people who read pages."""

import json
from http.cookiejar import CookieJar
from itertools import cycle
from typing import Any
from urllib.request import HTTPCookieProcessor

from tests.bench.fleets.instances import Fleet
from tests.e2e.scene import Scene
from tests.loopback import Actor

# Of a hundred callers.
STRANGE, SHARING, READING, RUDE = 15, 10, 5, 10

# Tokens, and further accounts with an instance each that no phone is linked to.
_MAKE = """
import json, sys
from instances import tokens
from instances.models import Account, Instance
said = json.loads({said!r})
made = []
for name in said["instances"]:
    instance = Instance.objects.get(name=name)
    made.append(tokens.issue(instance.account, instance=instance)[1])
for number in range(said["accounts"]):
    account = Account.objects.create(name=f"account {{number}}")
    Instance.objects.create(account=account, name=f"theirs-{{number}}", wanted=False)
    made.append(tokens.issue(account)[1])
print("MADE", json.dumps(made))
"""


def callers(scene: Scene, carla: Actor, fleet: Fleet, count: int) -> list[dict[str, Any]]:
    """A plan for each (`tests.bench.loading.callers`)."""
    strange, sharing, reading = (count * share // 100 for share in (STRANGE, SHARING, READING))
    names = cycle(fleet.jids)
    homes = [next(names) for _ in range(count - strange - sharing - reading)]
    said = json.dumps({"instances": homes, "accounts": strange})
    done = scene.portal.manage("shell", "--no-imports", "-c", _MAKE.format(said=said), seconds=600)
    assert "MADE " in done.stdout, done.stderr
    tokens = json.loads(done.stdout.partition("MADE ")[2])
    plans = [_own(scene, carla, fleet, home, number, tokens[number]) for number, home in enumerate(homes)]
    plans += [
        {"kind": "strange", "token": tokens[len(homes) + number], "names": [f"theirs-{number}"],
         "asks": ["list", "list", "others", "stranger"]}
        for number in range(strange)
    ]  # fmt: skip
    everything = sorted(fleet.jids)
    account = scene.command("createtoken", "--account", _account(scene)).strip()
    plans += [{"kind": "sharing", "token": account, "names": everything, "asks": ["list"]}] * sharing
    plans += [{"kind": "reading", "token": "", "cookie": _cookie(scene), "asks": ["page"]}] * reading
    return [
        {"cookie": "", **plan, "keeps": number % 2 == 0, "rude": number % (100 // RUDE) == 5}
        for number, plan in enumerate(plans)
    ]


def _own(scene: Scene, carla: Actor, fleet: Fleet, home: str, number: int, token: str) -> dict[str, Any]:
    """A program with a token of its own, for one instance, and with a message of its own to find and to pin."""
    word = f"word{number}"
    message_id = carla.send_text(fleet.jids[home], f"the message with {word}")
    scene.stored(message_id, seconds=60)
    return {
        "kind": "own", "token": token, "instance": home, "message": message_id, "word": word, "names": [home],
        "contact": carla.account.phone,
        "asks": ["pin", "pin", "pin", "list", "search", "search", "history", "nonsense"],
    }  # fmt: skip


def _account(scene: Scene) -> str:
    query = "SELECT a.name FROM instances_account a JOIN instances_instance i ON i.account_id = a.id WHERE i.name = ?"
    return str(scene.database.one(query, "shop"))


def _cookie(scene: Scene) -> str:
    """What a browser of the administrator's sends."""
    opener: Any = scene.portal.signed_in()
    jar: CookieJar = next(one.cookiejar for one in opener.handlers if isinstance(one, HTTPCookieProcessor))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
