"""One export under way: it holds one of a few places until it ends, breaks off or is given up."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator

from django.http import StreamingHttpResponse
from django.utils import timezone

from chats import search
from chats.export.formats import FORMATS
from chats.search import Query
from instances.models import Instance

# Each holds one of the web's 64 threads, for minutes when the reader is slow.
AT_ONCE = 4

_places = threading.BoundedSemaphore(AT_ONCE)


class ExportBusy(Exception):
    """All places are taken; `str()` is for people."""

    def __init__(self) -> None:
        super().__init__("Too many exports are running: try again in a few minutes")


class Placed:
    """The pieces of a file, which comes row by row. Closing it, at whatever moment, gives its place back."""

    def __init__(self, pieces: Iterable[str] = ()) -> None:
        """Raises ExportBusy."""
        self._open = _places.acquire(blocking=False)
        if not self._open:
            raise ExportBusy
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield piece.encode()

    def close(self) -> None:
        """End it. A second time does nothing."""
        if self._open:
            self._open = False
            _places.release()


class Export(Placed):
    """What a search finds, as a file."""

    def __init__(self, instances: Collection[Instance], query: Query, name: str, note: Callable[[int], None]) -> None:
        super().__init__()
        try:
            scope = [instance.pk for instance in instances]
            self.total = search.count(scope, query)
            note(self.total)
            names = {instance.pk: instance.name for instance in instances}
            self._pieces = FORMATS[name].write(search.walk(scope, query), names)
        except BaseException:
            self.close()
            raise


def begin(
    instances: Collection[Instance], query: Query, name: str, note: Callable[[int], None]
) -> StreamingHttpResponse:
    """The answer that streams the file. Raises ExportBusy.

    `name` is one of FORMATS. `note` writes into the audit how many messages it
    is about to hold; without that line nothing goes out. They are counted before
    the first: what is deleted, or comes late, meanwhile makes it differ a little.
    """
    export = Export(instances, query, name, note)
    response = StreamingHttpResponse(export, content_type=FORMATS[name].content_type)
    response["Content-Disposition"] = f'attachment; filename="messages-{timezone.now():%Y-%m-%d-%H%M%S}.{name}"'
    response["X-Total-Count"] = str(export.total)
    response["X-Heading-Lines"] = str(FORMATS[name].heading)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
