"""Every address of the portal."""

from django.contrib import admin
from django.urls import path

from chats.api import PinMessage
from portal.health import healthz
from portal.rest.routes import instance_endpoint, unknown_endpoint

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    instance_endpoint("chat/pinMessage", PinMessage),
    unknown_endpoint,
]
