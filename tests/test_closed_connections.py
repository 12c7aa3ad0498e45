"""A database connection that is gone is noticed by the connector's threads, whatever the driver calls it."""

import asyncio
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from instances.models import Account
from instances.whatsapp import database
from instances.whatsapp.lease_thread import LeaseThread

pytestmark = pytest.mark.django_db(transaction=True)


def closed() -> Any:
    raise InterfaceError("the connection is closed")


def test_of_the_pool() -> None:
    """Was red: what was to be written was forgotten, and one tick ended the connector with all its instances."""
    with pytest.raises(OperationalError, match="the connection is closed"):
        database.call(closed)


def test_of_the_lease() -> None:
    """Was red: each beat after it failed as well, until somebody else had all the instances."""
    thread = LeaseThread()

    def torn() -> None:
        Account.objects.exists()
        connection.connection.close()
        closed()

    try:
        with pytest.raises(OperationalError, match="the connection is closed"):
            asyncio.run(thread.run(torn))
        assert asyncio.run(thread.run(Account.objects.exists)) is False
    finally:
        thread.close()
