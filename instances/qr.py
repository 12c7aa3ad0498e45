"""QR codes: as an SVG that stands in the page (no other request, no inline style), and as a PNG for the API."""

import segno
from django.utils.safestring import SafeString, mark_safe


def svg(text: str) -> SafeString:
    """The picture of `text`, dark on light whatever the theme: phones want the contrast."""
    code = segno.make_qr(text, error="l")
    drawn = code.svg_inline(
        border=4, scale=6, dark="#111", light="#fff", svgclass="qr", lineclass=None, omitsize=True, title=None
    )
    return mark_safe(drawn)  # noqa: S308  # Only numbers and colours: the text does not stand in it.


def png(text: str) -> str:
    """The picture of `text` as a data URI, for integrators who put it into an <img> of their own."""
    return str(segno.make_qr(text, error="l").png_data_uri(border=4, scale=6))
