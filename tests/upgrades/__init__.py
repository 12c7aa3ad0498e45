"""Databases of earlier versions, which this one must take over with all that is in them."""
