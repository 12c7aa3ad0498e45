"""Which paths are the API's. Imports nothing: the ASGI layer asks before Django is set up."""


def is_api(path: str) -> bool:
    """Whether this path belongs to the REST API."""
    return path == "/api" or path.startswith("/api/")
