"""Pins for later, and pins that stay: the wish (`wish`), what comes next (`steps`), carrying it out (`runner`)."""
