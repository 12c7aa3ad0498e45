"""What is answered when more is asked for than can be done."""

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from django.test import SimpleTestCase, override_settings

from portal.busy import Busy


class BusyTests(SimpleTestCase):
    """Without a database, as the class of these tests makes sure."""

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "localhost", "SERVER_PORT": "80",
            "HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), **headers,
        }  # fmt: skip
        body: Iterable[bytes] = Busy()(environ, lambda *answer: started.append(answer))
        ((status, given),) = started
        return int(status[:3]), dict(given), b"".join(body).decode()

    def test_the_api(self) -> None:
        status, headers, body = self.ask("/api/instance/list", HTTP_X_REQUEST_ID="mine-7")
        self.assertEqual(status, 503)
        said = json.loads(body)
        self.assertIs(said["success"], False)
        self.assertTrue(said["error"]["message"].startswith("The portal has more to do than it can at this moment."))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.assertEqual((headers["X-Request-ID"], headers["Cache-Control"]), ("mine-7", "no-store"))

    @override_settings(CORS_ALLOWED_ORIGINS=["https://shop.example"])
    def test_a_browsers_program_may_read_it(self) -> None:
        _, headers, _ = self.ask("/api/instance/list", HTTP_ORIGIN="https://shop.example")
        self.assertEqual(headers["access-control-allow-origin"], "https://shop.example")
        self.assertIn("Retry-After", headers["access-control-expose-headers"])

    def test_a_page_in_the_readers_language(self) -> None:
        status, headers, body = self.ask("/chats/", HTTP_ACCEPT_LANGUAGE="pt-BR,pt")
        self.assertEqual(status, 503)
        self.assertIn("O portal está ocupado", body)
        self.assertIn(f'http-equiv="refresh" content="{headers["Retry-After"]}"', body)
        self.assertIn("default-src 'self'", headers["Content-Security-Policy"])
        self.assertEqual(headers["X-Frame-Options"], "DENY")

    def test_a_form_is_not_sent_again_by_itself(self) -> None:
        _, _, body = self.ask("/messages/1/pin/", "POST")
        self.assertNotIn("http-equiv", body)
        self.assertIn("Nothing was done", body)

    def test_a_host_that_is_not_ours(self) -> None:
        with override_settings(SECURE_SSL_REDIRECT=True):
            self.assertEqual(self.ask("/chats/", HTTP_HOST="evil.example")[0], 400)
