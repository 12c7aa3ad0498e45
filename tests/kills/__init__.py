"""Rounds of kill -9, one process after the other, while messages come in and pins go out; and the account of it."""
