"""Pins that the worker makes in somebody's name: of a selection (`batch`), each carried out once (`carry`)."""
