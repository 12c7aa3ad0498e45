"""The one service that drives WhatsApp.

`service` is the front door. Behind it: `connector` (the process that holds
live clients), `session` (one instance's connection), `adapter` (the only folder
that imports neonize) and `intake` (events into our models).
"""
