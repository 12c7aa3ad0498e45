"""A search taken away in a file, as CSV or JSON: any number of messages in the same little memory."""

from chats.export.formats import FORMATS
from chats.export.run import Export, ExportBusy, Placed, begin

__all__ = ["FORMATS", "Export", "ExportBusy", "Placed", "begin"]
