"""The description of the API: valid, complete, and true of every answer."""

import json
from typing import Any

import pytest
from drf_spectacular.validation import validate_schema

from instances.events.kinds import KINDS
from portal.rest import openapi
from portal.rest.views import ApiView
from portal.urls import urlpatterns
from tests.base import ApiTestCase

pytestmark = pytest.mark.sqlite_only


class Document(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.document: dict[str, Any] = openapi.document()

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        return [
            (path, method, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        ]

    def test_it_is_served_to_anybody(self) -> None:
        response = self.call("GET", "/api/openapi.json")
        assert response.status_code == 200
        assert json.loads(response.content) == json.loads(json.dumps(self.document, default=str))
        self.assert_error(
            self.call("POST", "/api/openapi.json"), 405, "Method POST is not allowed here: use GET or HEAD"
        )

    def test_it_is_openapi_3_1(self) -> None:
        assert self.document["openapi"].startswith("3.1")
        validate: Any = validate_schema
        validate(self.document)

    def test_every_endpoint_is_in_it(self) -> None:
        patterns: list[Any] = [pattern for pattern in urlpatterns if getattr(pattern, "callback", None)]
        routes = {
            pattern.name
            for pattern in patterns
            if pattern.name and issubclass(getattr(pattern.callback, "cls", object), ApiView)
        }
        named = {path.removeprefix("/api/").removesuffix("/{instance}") for path in self.document["paths"]}
        assert named == {route for route in routes if "openapi" not in route}
        assert len(self.operations()) >= len(named)

    def test_each_has_a_name_for_generated_clients(self) -> None:
        names = [operation["operationId"] for _, _, operation in self.operations()]
        assert "chatPinMessage" in names
        assert len(set(names)) == len(names)

    def test_what_webhooks_get_is_in_it(self) -> None:
        assert set(self.document["webhooks"]) == {*KINDS, "webhook.test"}

    def test_each_tells_of_its_errors_and_has_examples(self) -> None:
        for path, method, operation in self.operations():
            with self.subTest(f"{method} {path}"):
                answers = operation["responses"]
                assert {"200", "401", "429", "500", "503"} <= set(answers)
                for status, answer in answers.items():
                    if status in ("200", "206") and "application/json" not in answer["content"]:
                        continue  # A file.
                    examples = answer["content"]["application/json"]["examples"]
                    for example in examples.values():
                        assert example["value"]["success"] is (status == "200")
                if "requestBody" in operation:
                    assert operation["requestBody"]["content"]["application/json"]["examples"]
