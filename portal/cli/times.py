"""Times that are typed: of the terminal's zone, as those that are printed."""

from datetime import datetime


def typed(text: str | None) -> str | None:
    """A time with this machine's offset, unless it names its own. What is no time goes as it is: the API says so."""
    try:
        at = datetime.fromisoformat((text or "").strip())
        return text if at.tzinfo else at.astimezone().isoformat()
    # The last two: a year that the machine's zones do not reach.
    except (ValueError, OverflowError, OSError):
        return text
