"""The whole product, started by its own run command, on a real wire: only WhatsApp's server is ours."""
