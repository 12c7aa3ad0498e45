"""`portal-cli`: the portal from a terminal, over its REST API. It imports no Django and starts in a blink."""
