"""`python -m portal.cli`, where the package is not installed."""

from portal.cli.command import main

if __name__ == "__main__":
    main(prog_name="portal-cli")
