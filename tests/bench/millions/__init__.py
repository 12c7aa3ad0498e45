"""A fleet of a million instances, without WhatsApp: its database, its broker, and a model of what happens to it."""
