"""`python -m tests.bench [NAME]`: a line a figure, `name value unit bar holds|falls-short`.

NAME: one measurement, or the beginning of the names of some. The exit code is
1 when a figure falls short of its bar.
"""

import importlib
import os
import pkgutil
import sys

import django

import tests.bench
from tests.bench.registry import BENCHES


def main(wanted: str) -> int:
    """Run what is wanted."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name not in ("__main__", "registry"):
            importlib.import_module(f"tests.bench.{module.name}")
    chosen = [measure for name, measure in BENCHES.items() if name.startswith(wanted) or wanted.startswith(name)]
    if not chosen:
        print(f"There is no measurement {wanted}. There are: {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    short = 0
    for measure in chosen:
        for figure in measure():
            if figure.name.startswith(wanted) or any(wanted == name for name in BENCHES):
                print(figure, flush=True)
                short += not figure.holds
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
