"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path

from chats.api import PinMessage
from portal.health import healthz
from portal.rest.routes import instance_endpoint, unknown_endpoint

urlpatterns = [
    path("", include("portal.pages")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    instance_endpoint("chat/pinMessage", PinMessage),
    unknown_endpoint,
]

handler403 = "portal.views.errors.forbidden"
handler404 = "portal.views.errors.not_found"
