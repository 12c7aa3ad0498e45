"""Who may what: every address of the portal by every kind of caller.

The addresses come from the URL table itself (`routes`), so that a new one
without a row in `table` fails the suite.
"""
