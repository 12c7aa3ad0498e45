"""Reads a QR code that a command drew in the terminal, as a phone's camera does."""

import subprocess

import zxingcpp
from PIL import Image

# segno's compact drawing: two rows of modules a line of text.
HALVES = {" ": (1, 1), "▀": (0, 1), "▄": (1, 0), "█": (0, 0)}
LIGHT_ON_DARK = {character: (1 - upper, 1 - lower) for character, (upper, lower) in HALVES.items()}


def read(drawing: str) -> str | None:
    """The text of the QR code, or None when no camera could read it."""
    lines = [line for line in drawing.splitlines() if line and set(line) <= set(HALVES)]
    if not lines:
        return None
    width = max(map(len, lines))
    image = Image.new("L", (width, len(lines) * 2), 255)
    for row, line in enumerate(lines):
        for column, character in enumerate(line.ljust(width)):
            for half, dark in enumerate(LIGHT_ON_DARK[character]):
                image.putpixel((column, row * 2 + half), 0 if dark else 255)
    enlarged = image.resize((width * 6, len(lines) * 12), Image.Resampling.NEAREST)
    found = zxingcpp.read_barcodes(enlarged)
    return found[0].text if found else None


def from_output(process: "subprocess.Popen[str]") -> str:
    """The text of the first code that a command draws."""
    drawing = ""
    assert process.stdout is not None
    while (text := read(drawing)) is None:
        line = process.stdout.readline()
        assert line, drawing
        drawing += line
    return text
