"""Queries whose SQL is made once a process, for the few that every request asks.

Django makes the SQL of a queryset anew each time, and takes several times as
long for it as the database for its answer. A `Prepared` query is written as
any other, with a slot where a value will stand.
"""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Field, Model, QuerySet

Row = TypeVar("Row", bound=Model)


class Slot(Expression):
    """Where the value called `name` will stand in a prepared query."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """A placeholder, and among the parameters the slot itself."""
        return "%s", [self]


class Prepared(Generic[Row]):
    """A query for model rows (with `select_related` and `only`, if wanted)."""

    def __init__(self, make: Callable[..., QuerySet[Row]], **fields: "Field[Any, Any]") -> None:
        """`make` gets a slot for each name in `fields`, which say how a value is put for the database."""
        self._make = make
        self._fields = fields
        self._made: dict[str, _Statement] = {}

    def rows(self, using: str = "default", **values: Any) -> list[Row]:
        """What the query finds, asked once, with these values in its slots."""
        made = self._made.get(using)
        if made is None:
            # Two threads may both make it; they make the same.
            slots = {name: Slot(name, field) for name, field in self._fields.items()}
            made = self._made[using] = _Statement(self._make(**slots).using(using))
        return list(made.ask(values))

    def first(self, using: str = "default", **values: Any) -> Row | None:
        """The first of `rows`, or None."""
        return next(iter(self.rows(using, **values)), None)


class _Statement:
    """The SQL for one database, and Django's way from its rows to models."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._queryset: Any = queryset
        self._compiler: Any = queryset.query.get_compiler(using=queryset.db)
        self._sql, self._parameters = self._compiler.as_sql()

    def ask(self, values: dict[str, Any]) -> Iterator[Any]:
        connection = connections[self._queryset.db]
        bound = tuple(
            part.output_field.get_db_prep_value(values[part.name], connection) if isinstance(part, Slot) else part
            for part in self._parameters
        )
        compiler = copy(self._compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_, **__: (self._sql, bound)
        rows: Iterator[Any] = iter(self._queryset._iterable_class(_Compiled(self._queryset, compiler)))
        return rows


class _Compiled:
    """A queryset to Django's iterables, that need not be compiled any more."""

    _known_related_objects: dict[Any, Any] = {}

    def __init__(self, queryset: QuerySet[Any], compiler: Any) -> None:
        self.model = queryset.model
        self.db = queryset.db
        self.query = self
        self._compiler = compiler

    def get_compiler(self, using: str) -> Any:
        return self._compiler
