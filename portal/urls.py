"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path

from chats.api import reading
from chats.api.pinning import PinMessage
from chats.api.private import Favorite, PinChat
from chats.api.sending import SendText
from chats.errands import api as batches
from chats.export.api import ExportSearch
from chats.media.api import GetMedia
from chats.rules import api as rules
from chats.schedule import api as schedules
from instances import api as instances
from instances import preferences_api
from instances.events import api as webhooks
from instances.token_api import RotateToken
from portal.health import healthz, readyz
from portal.rest.openapi import OpenApi
from portal.rest.routes import account_endpoint, instance_endpoint, unknown_endpoint

urlpatterns = [
    path("", include("portal.pages")),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    account_endpoint("instance/new", instances.NewInstance),
    account_endpoint("instance/list", instances.ListInstances),
    instance_endpoint("instance/connect", instances.ConnectInstance),
    instance_endpoint("instance/settings", preferences_api.Settings),
    instance_endpoint("instance/logout", instances.LogoutInstance),
    instance_endpoint("instance/delete", instances.DeleteInstance),
    account_endpoint("token/rotate", RotateToken),
    instance_endpoint("webhook/add", webhooks.AddWebhook),
    instance_endpoint("webhook/list", webhooks.ListWebhooks),
    instance_endpoint("webhook/change", webhooks.ChangeWebhook),
    instance_endpoint("webhook/delete", webhooks.DeleteWebhook),
    instance_endpoint("webhook/rotate", webhooks.RotateWebhook),
    instance_endpoint("webhook/test", webhooks.TestWebhook),
    instance_endpoint("webhook/deliveries", webhooks.Deliveries),
    instance_endpoint("webhook/resend", webhooks.Resend),
    instance_endpoint("chat/pinMessage", PinMessage),
    instance_endpoint("chat/pinChat", PinChat),
    instance_endpoint("chat/favorite", Favorite),
    instance_endpoint("chat/history", reading.History),
    instance_endpoint("chat/search", reading.Search),
    instance_endpoint("chat/list", reading.Chats),
    instance_endpoint("chat/pins", reading.Pins),
    instance_endpoint("chat/pinHistory", reading.PinHistory),
    instance_endpoint("chat/pinFigures", reading.PinFigures),
    instance_endpoint("chat/schedulePin", schedules.SchedulePin),
    instance_endpoint("chat/cancelSchedule", schedules.CancelSchedule),
    instance_endpoint("chat/schedules", schedules.Schedules),
    instance_endpoint("chat/pinMany", batches.PinMany),
    instance_endpoint("chat/batches", batches.Batches),
    instance_endpoint("chat/batch", batches.BatchItems),
    instance_endpoint("chat/stopBatch", batches.StopBatch),
    instance_endpoint("chat/resumeBatch", batches.ResumeBatch),
    instance_endpoint("chat/addRule", rules.AddRule),
    instance_endpoint("chat/previewRule", rules.PreviewRule),
    instance_endpoint("chat/switchRule", rules.SwitchRule),
    instance_endpoint("chat/deleteRule", rules.DeleteRule),
    instance_endpoint("chat/rules", rules.Rules),
    instance_endpoint("chat/ruleHits", rules.RuleHits),
    instance_endpoint("chat/media", GetMedia),
    instance_endpoint("chat/export", ExportSearch),
    instance_endpoint("message/sendText", SendText),
    account_endpoint(r"openapi\.json", OpenApi),
    unknown_endpoint,
]

handler400 = "portal.views.errors.bad_request"
handler403 = "portal.views.errors.forbidden"
handler404 = "portal.views.errors.not_found"
