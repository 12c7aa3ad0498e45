# mypy: disable-error-code="import-untyped"
"""The protobuf modules that neonize ships, imported without starting neonize.

``import neonize`` loads its Go library; a test process has no use for that. neonize puts this same folder on the path
for its own imports (neonize/proto/__init__.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .tokens import library_path

if TYPE_CHECKING:
    from neonize.proto.waAdv import WAAdv_pb2 as wa_adv
    from neonize.proto.waCert import WACert_pb2 as wa_cert
    from neonize.proto.waServerSync import WAWebProtobufsServerSync_pb2 as wa_sync
    from neonize.proto.waSyncAction import WAWebProtobufSyncAction_pb2 as wa_sync_action
    from neonize.proto.waWa6 import WAWebProtobufsWa6_pb2 as wa6
else:
    sys.path.append(str(library_path().parent / "proto"))
    from waAdv import WAAdv_pb2 as wa_adv
    from waCert import WACert_pb2 as wa_cert
    from waServerSync import WAWebProtobufsServerSync_pb2 as wa_sync
    from waSyncAction import WAWebProtobufSyncAction_pb2 as wa_sync_action
    from waWa6 import WAWebProtobufsWa6_pb2 as wa6

__all__ = ["wa6", "wa_adv", "wa_cert", "wa_sync", "wa_sync_action"]
