#!/usr/bin/env python
"""Django's command line, with the portal's settings."""

import os
import sys

from portal import arenas


def main() -> None:
    """Run one management command."""
    arenas.share()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
