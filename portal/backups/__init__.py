"""Backup and restore of all that a portal keeps: docs/backup.md says how to use it and what it promises."""
