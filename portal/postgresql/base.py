"""Django's PostgreSQL backend, in whose transactions nobody may be silent for long.

A process that stands still in the midst of a transaction, or whose machine lost
its power, holds the rows it has changed until its connection is given up, which
PostgreSQL does after two hours. Others wait for them meanwhile. So each of our
transactions says at its beginning how long it may wait for us between two
statements (`DATABASE_SILENCE`); after that PostgreSQL ends it. How long the
whole of it takes, or one statement, is not limited.

Said with BEGIN, in one message, it costs no time. Said once for the connection
it would not hold: behind a pgbouncer the next transaction has another one.
"""

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.errors import Error, OperationalError, error_from_result
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection."""

    # A step of a migration may think for as long as it likes.
    patient = False

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        if not autocommit:
            self._begin()

    def _begin(self) -> None:
        # 0: no limit, whatever the server's or the role's own is.
        milliseconds = 0 if self.patient else round(settings.DATABASE_SILENCE.total_seconds() * 1000)
        begin = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {milliseconds}"
        with self.wrap_database_errors:
            try:
                result = self.connection.pgconn.exec_(begin.encode())
                if result.status != ExecStatus.COMMAND_OK:
                    raise _error(result)
            except BaseException:
                # Neither in a transaction nor out of one: who goes on gets another one.
                self.connection.close()
                self.close()
                raise


def _error(result: PGresult) -> Error:
    """The server's own error; a connection that is gone has none, and is told from others as psycopg does."""
    if result.error_field(DiagnosticField.SQLSTATE) is None:
        return OperationalError(result.get_error_message())
    return error_from_result(result)
