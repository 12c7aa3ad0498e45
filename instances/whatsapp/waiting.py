"""What waits for the writer: in order, and no more of it than memory holds."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """A queue that is full by the number of its items or by their bytes. Callable from any thread."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._closed = False
        lock = threading.Lock()
        self._room, self._news = threading.Condition(lock), threading.Condition(lock)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, size: int) -> None:
        """Wait while it is full, whatever the size: the largest gets in as well, and nobody waits for ever.

        When it is closed, nothing more gets in.
        """
        with self._room:
            while not self._closed and (len(self._items) >= self._most or self._bytes >= self._most_bytes):
                self._room.wait()
            if not self._closed:
                self._items.append((item, size))
                self._bytes += size
                self._news.notify()

    def take(self, most: int) -> list[Item]:
        """Some of them, the first first; waits until there is one. None at all: it is closed, and empty."""
        with self._news:
            while not self._items and not self._closed:
                self._news.wait()
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(size for _, size in taken)
            self._room.notify_all()
            return [item for item, _ in taken]

    def close(self) -> None:
        """Nothing more comes, and nobody waits."""
        with self._room:
            self._closed = True
            self._room.notify_all()
            self._news.notify_all()
