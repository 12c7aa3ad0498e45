"""Django's SQLite, with a queue for those who write."""

# A function that each connection has: a text without its case, as `portal.letters` compares texts.
CASEFOLD = "portal_casefold"
