"""The demonstration: the real portal, a loopback WhatsApp, and people who are made up."""
