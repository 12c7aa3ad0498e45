"""Queries and saves whose SQL is made once a process, for the few that every request asks.

Django makes the SQL of a queryset anew each time, and takes several times as
long for it as the database for its answer. A `Prepared` query is written as
any other, with a slot where a value will stand; `save` and `create` stand for
Django's. For many rows at once, their models' `__init__` is the next to take
long: `made_of` does without.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models import BigIntegerField, BooleanField, Expression, Field, Func, Model, QuerySet, TextField
from django.db.models.base import ModelState

Row = TypeVar("Row")
Made = TypeVar("Made", bound=Model)


class Slot(Expression):
    """Where the value called `name` will stand in a prepared query."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """A placeholder, and among the parameters the slot itself."""
        return "%s", [self]


class IsOneOf(Func):
    """Whether a column is among the values of a slot for `Integers` or `Texts`: one parameter, however many."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """A condition, in each database's own words. (PostgreSQL plans a subquery twice as long as this.)"""
        (column, parameters), (_mark, slot) = map(compiler.compile, self.get_source_expressions())
        kind = "text" if isinstance(slot[0].output_field, Texts) else "bigint"
        among = "IN (SELECT value FROM json_each(%s))" if connection.vendor == "sqlite" else f"= ANY (%s::{kind}[])"
        return f"{column} {among}", [*parameters, *slot]


class Integers(BigIntegerField):  # type: ignore[type-arg]  # Django's own takes no arguments
    """Says of a slot that several integers will stand there."""

    def get_db_prep_value(self, value: Iterable[int], connection: Any, prepared: bool = False) -> Any:
        """As JSON for SQLite, as an array for PostgreSQL."""
        return _several(value, connection)


class Texts(TextField):  # type: ignore[type-arg]
    """Says of a slot that several texts will stand there."""

    def get_db_prep_value(self, value: Iterable[str], connection: Any, prepared: bool = False) -> Any:
        """As JSON for SQLite, as an array for PostgreSQL."""
        return _several(value, connection)


def _several(values: Iterable[int | str], connection: Any) -> Any:
    return json.dumps(list(values)) if connection.vendor == "sqlite" else list(values)


def made_of(model: type[Made], names: Iterable[str], values: Iterable[Any]) -> Made:
    """A stored row as a model, the way unpickling makes one; the fields not in `names` (attnames) are deferred."""
    made = model.__new__(model)
    made.__dict__.update(zip(names, values, strict=False))
    made._state = ModelState()
    made._state.adding, made._state.db = False, DEFAULT_DB_ALIAS
    return made


class Prepared(Generic[Row]):
    """A query for model rows (with `select_related` and `only`, if wanted) or for tuples (`values_list`)."""

    def __init__(self, make: Callable[..., QuerySet[Any, Row]], **fields: "Field[Any, Any]") -> None:
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
        self._converters: Any = None

    def ask(self, values: dict[str, Any]) -> Iterator[Any]:
        connection = connections[self._queryset.db]
        bound = tuple(
            part.output_field.get_db_prep_value(values[part.name], connection) if isinstance(part, Slot) else part
            for part in self._parameters
        )
        compiler = copy(self._compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_, **__: (self._sql, bound)
        compiler.get_converters = self._get_converters
        rows: Iterator[Any] = iter(self._queryset._iterable_class(_Compiled(self._queryset, compiler)))
        return rows

    def _get_converters(self, expressions: Any) -> Any:
        """From the columns' values to Python's: the same for every row of every answer."""
        if self._converters is None:
            self._converters = self._compiler.get_converters(expressions)
        return self._converters


class _Compiled:
    """A queryset to Django's iterables, that need not be compiled any more."""

    _known_related_objects: dict[Any, Any] = {}
    # Tuples come in the order in which the query names them.
    _fields = None

    def __init__(self, queryset: QuerySet[Any], compiler: Any) -> None:
        self.model = queryset.model
        self.db = queryset.db
        self.query = self
        self._compiler = compiler

    def get_compiler(self, using: str) -> Any:
        return self._compiler


def save(row: Model, using: str = "default") -> None:
    """Save a row, new or not, as Django would, all its columns. Raises DatabaseError when it is not there any more.

    For models without parents, with a key that the database makes, and for whose
    saving no signal is awaited. The model's own `save` is not called.
    """
    connection, new = connections[using], row._state.adding
    insert, update, fields = _statements(type(row), using)
    values = [field.get_db_prep_save(field.pre_save(row, new), connection) for field in fields]
    # An error spoils the transaction around it, as one in Django's own `save` does.
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        if new:
            cursor.execute(insert, values)
            row.pk = cursor.fetchone()[0]
            row._state.adding, row._state.db = False, using
        else:
            cursor.execute(update, [*values, row.pk])
            if cursor.rowcount != 1:
                raise DatabaseError(f"{row._meta.label} {row.pk} is not there any more")


def create(model: type[Made], **values: Any) -> Made:
    """A new row with these values, saved by `save`."""
    row = model(**values)
    save(row)
    return row


@cache
def _statements(model: type[Model], using: str) -> tuple[str, str, list["Field[Any, Any]"]]:
    """The INSERT, the UPDATE, and the fields whose values they want, in this order."""
    quoted = connections[using].ops.quote_name
    table, key = quoted(model._meta.db_table), quoted(str(model._meta.pk.column))
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    names = [quoted(str(field.column)) for field in fields]
    # The names are our own models', and quoted; values stand elsewhere.
    columns, marks, changes = ", ".join(names), ", ".join("%s" for _ in names), ", ".join(f"{n} = %s" for n in names)
    insert = f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING {key}"  # noqa: S608
    update = f"UPDATE {table} SET {changes} WHERE {key} = %s"  # noqa: S608
    return insert, update, fields
