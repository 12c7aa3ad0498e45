"""Protobufs that Go reads and Python does not, or reads otherwise: a contact can send them.

Go's parser goes 10,000 levels deep, Python's 100. And text that is no UTF-8 is
text to both in messages of this kind (proto2), but comes as bytes to Python.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

_TEXT = FieldDescriptor.TYPE_STRING
# Kinds of fields by how they are written: number, eight bytes, what says its length, four bytes.
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5


def mend_texts(message: Message, leave_out: Iterable[str] = ()) -> None:
    """Put the replacement character where text is no UTF-8, all the way down."""
    for field, value in message.ListFields():
        if field.name in leave_out:
            continue
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                continue
            for one in value if field.is_repeated else (value,):
                mend_texts(one)
        elif field.type == _TEXT:
            if not field.is_repeated:
                if isinstance(value, bytes):
                    setattr(message, field.name, decoded(value))
            elif any(isinstance(one, bytes) for one in value):
                value[:] = [decoded(one) for one in value]


def decoded(value: Any) -> str:
    """Text, whatever it was."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def part(payload: bytes, number: int) -> bytes:
    """What a serialized message holds in one of its fields, itself serialized; empty when it is not there.

    Raises ValueError when the payload is no message at all.
    """
    found = [payload[begin:end] for field, kind, _, begin, end in _fields(payload) if (field, kind) == (number, _SIZED)]
    return b"".join(found)


def shallow(payload: bytes, kind: type[Message], path: tuple[str, ...]) -> bytes:
    """A serialized `kind` without what is too deep to be read, looked for along a path of repeated fields.

    Raises ValueError when the payload is no message at all.
    """
    if not path:
        return payload if _readable(payload, kind) else b""
    number = kind.DESCRIPTOR.fields_by_name[path[0]].number
    inner = kind.DESCRIPTOR.fields_by_name[path[0]].message_type._concrete_class
    kept = []
    for field, written, start, begin, end in _fields(payload):
        content = payload[begin:end]
        if (field, written) == (number, _SIZED) and not _readable(content, inner):
            content = shallow(content, inner, path[1:])
            kept.append(_varint(number << 3 | _SIZED) + _varint(len(content)) + content)
        else:
            kept.append(payload[start:end])
    return b"".join(kept)


def _readable(payload: bytes, kind: type[Message]) -> bool:
    try:
        kind.FromString(payload)
    except DecodeError:
        return False
    return True


def _fields(payload: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Each field of a serialized message: number, way of writing, start, start of its content, end."""
    at = 0
    while at < len(payload):
        start = at
        tag, at = _number(payload, at)
        kind = tag & 7
        if kind == _VARINT:
            _, end = _number(payload, at)
        elif kind == _SIZED:
            size, at = _number(payload, at)
            end = at + size
        elif kind in (_EIGHT, _FOUR):
            end = at + (8 if kind == _EIGHT else 4)
        else:
            raise ValueError("no protobuf")
        if end > len(payload):
            raise ValueError("no protobuf")
        yield tag >> 3, kind, start, at, end
        at = end


def _number(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(payload) and shift < 70:
        byte = payload[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
    raise ValueError("no protobuf")


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)
