"""A stanza's attributes as whatsmeow logs them: XML that is not escaped, so whatever looks otherwise is dropped."""

import re

# All of one tag. No value has what ends it, or a tag.
ATTRIBUTES = r'((?: [a-z_]+="[^"<>]*")*)'
_ATTRIBUTE = re.compile(r' ([a-z_]+)="([^"]*)"')


def pairs(attributes: str) -> list[tuple[str, str]]:
    """The name and value of each; a name twice where somebody wrote quotation marks into a value."""
    return _ATTRIBUTE.findall(attributes)
