"""Small real files for the demonstration: drawn here, encrypted as WhatsApp wants it, put into the loopback's store."""

import hashlib
import hmac
import io
import math
import os
import random
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from PIL import Image, ImageDraw

from tests.loopback.media import Blob, MediaStore

# A second of a rising sun, 160 by 120, made in Chromium with MediaRecorder.
CLIP = Path(__file__).with_name("clip.webm")


@dataclass(frozen=True, slots=True)
class File:
    """One file, and what a message says of it. `group`: the word its key is derived by; stickers go with pictures."""

    content: bytes
    mimetype: str
    group: str
    more: tuple[tuple[str, int], ...] = ()


Put = Callable[[File], dict[str, Any]]


def store(media: MediaStore) -> Put:
    """Puts files into WhatsApp's store, each once, and says what a message with it holds (`Message.data`)."""

    @cache
    def put(file: File) -> dict[str, Any]:
        key = os.urandom(32)
        sealed = encrypt(file.content, key, file.group)
        path = f"/v/t62.7118-24/{os.urandom(8).hex()}_n.enc"
        media.blobs[path] = Blob(sealed, file.group)
        return {
            "path": f"{path}?ccb=11-4&oh=01_{os.urandom(4).hex()}",
            "key": key.hex(),
            "sha256": hashlib.sha256(file.content).hexdigest(),
            "encrypted_sha256": hashlib.sha256(sealed).hexdigest(),
            "length": len(file.content),
            "mimetype": file.mimetype,
            **dict(file.more),
        }

    return put


def encrypt(content: bytes, key: bytes, group: str) -> bytes:
    """As whatsmeow's upload.go does it: AES-CBC, then ten bytes of an HMAC."""
    info = f"WhatsApp {group.capitalize()} Keys".encode()
    expanded = HKDF(hashes.SHA256(), 112, None, info).derive(key)
    iv, cipher_key, mac_key = expanded[:16], expanded[16:48], expanded[48:80]
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
    return sealed + hmac.digest(mac_key, iv + sealed, "sha256")[:10]


# --- What is drawn


@cache
def room(wall: str = "#d9cdb8") -> File:
    """A dining room, with a window, a table and a lamp. The same wall is the same file."""
    width, height = 960, 720
    picture = Image.new("RGB", (width, height), wall)
    draw = ImageDraw.Draw(picture)
    for y in range(500, height):
        shade = 150 - (y - 500) // 4
        draw.line((0, y, width, y), fill=(shade + 20, shade - 14, shade - 52))
    draw.rectangle((90, 90, 380, 400), fill="#f6f1e6")
    for number in range(4):
        left, top = 108 + number % 2 * 134, 108 + number // 2 * 142
        draw.rectangle((left, top, left + 120, top + 130), fill=("#a9cfe6", "#b9d8ea", "#c5ddc3", "#b5d3ae")[number])
    draw.rectangle((590, 120, 850, 300), fill="#7d6a55")
    draw.rectangle((602, 132, 838, 288), fill="#e8dfcc")
    draw.ellipse((660, 165, 780, 265), fill="#c9744f")
    draw.line((480, 0, 480, 170), fill="#33302c", width=5)
    draw.polygon([(400, 240), (560, 240), (520, 165), (440, 165)], fill="#3f6f63")
    draw.ellipse((452, 228, 508, 262), fill="#fff2c4")
    for left in (190, 330, 560, 700):
        draw.rounded_rectangle((left, 395, left + 78, 560), 12, fill="#6b4a30")
        draw.rectangle((left + 8, 560, left + 16, 655), fill="#523722")
        draw.rectangle((left + 62, 560, left + 70, 655), fill="#523722")
    draw.rounded_rectangle((140, 470, 820, 506), 10, fill="#b98552")
    draw.rectangle((180, 506, 204, 690), fill="#966a3f")
    draw.rectangle((756, 506, 780, 690), fill="#966a3f")
    draw.ellipse((440, 430, 520, 472), fill="#efe7da")
    draw.ellipse((456, 408, 484, 440), fill="#8a9a4a")
    draw.ellipse((478, 414, 504, 442), fill="#c2483c")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return File(out.getvalue(), "image/jpeg", "image", (("width", width), ("height", height)))


@cache
def sticker() -> File:
    """A lorry with a smile, on nothing."""
    picture = Image.new("RGBA", (512, 512))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((40, 130, 320, 350), 24, fill="#f2b544", outline="#ffffff", width=10)
    draw.rounded_rectangle((310, 190, 470, 350), 24, fill="#d9583f", outline="#ffffff", width=10)
    draw.rounded_rectangle((350, 220, 445, 280), 10, fill="#cfe8f5")
    draw.ellipse((125, 190, 150, 220), fill="#3a2b12")
    draw.ellipse((210, 190, 235, 220), fill="#3a2b12")
    draw.arc((120, 200, 240, 300), 20, 160, fill="#3a2b12", width=10)
    for left in (90, 340):
        draw.ellipse((left, 310, left + 90, 400), fill="#2c2c2c", outline="#ffffff", width=8)
        draw.ellipse((left + 30, 340, left + 60, 370), fill="#bbbbbb")
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return File(out.getvalue(), "image/webp", "image", (("width", 512), ("height", 512)))


@cache
def voice(seconds: int, seed: int = 3) -> File:
    """A murmur that rises and falls like speech."""
    rate, dice, phase = 8000, random.Random(seed), 0.0
    sound = bytearray()
    while len(sound) < rate * seconds:
        pitch, length = dice.uniform(110, 210), dice.randint(900, 2200)
        for at in range(length):
            swell = math.sin(math.pi * at / length)
            phase += 2 * math.pi * (pitch + 18 * swell) / rate
            sound.append(int(128 + 46 * swell * (math.sin(phase) + 0.5 * math.sin(2.01 * phase))))
        sound.extend(bytes([128]) * dice.randint(200, 1500))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(bytes(sound[: rate * seconds]))
    return File(out.getvalue(), "audio/wav", "audio", (("seconds", seconds),))


@cache
def document(title: str) -> File:
    """One page of PDF with a title."""
    words = title.replace("(", "").replace(")", "")
    drawing = (
        f"BT /F1 26 Tf 60 740 Td (Casa Lume) Tj 0 -44 Td /F1 15 Tf ({words}) Tj 0 -30 Td /F1 11 Tf "
        "(A made-up document of the demonstration.) Tj ET 60 640 m 535 640 l S"
    ).encode()
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 5\n0000000000 65535 f \n%strailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return File(out + end % (table, len(out)), "application/pdf", "document")


@cache
def film() -> File:
    """The clip that lies beside this file."""
    return File(CLIP.read_bytes(), "video/webm", "video", (("seconds", 2), ("width", 320), ("height", 240)))
