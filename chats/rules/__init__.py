"""Pins by pattern: what fits (`match`), noticing it as it comes (`notice`), trying a rule on the past (`preview`)."""
