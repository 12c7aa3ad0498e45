"""Addresses of the instances' pages."""

from django.urls import path

from instances.views import actions, detail, keeping, listing, settings, webhooks

urlpatterns = [
    path("instances/", listing.listing, name="instances"),
    path("instances/new/", listing.new, name="instance-new"),
    path("instances/<uuid:uid>/", detail.detail, name="instance"),
    path("instances/<uuid:uid>/webhooks/", webhooks.listing, name="webhooks"),
    path("instances/<uuid:uid>/webhooks/add/", webhooks.add, name="webhook-add"),
    path("instances/<uuid:uid>/webhooks/<uuid:hook>/", webhooks.log, name="webhook"),
    path("instances/<uuid:uid>/webhooks/<uuid:hook>/act/", webhooks.act, name="webhook-act"),
    path("instances/<uuid:uid>/panel/", detail.panel, name="instance-panel"),
    path("instances/<uuid:uid>/qr/", detail.code, name="instance-qr"),
    path("instances/<uuid:uid>/connect/", detail.connect, name="instance-connect"),
    path("instances/<uuid:uid>/pairing-code/", detail.pairing_code, name="instance-pairing-code"),
    path("instances/<uuid:uid>/settings/", settings.settings, name="instance-settings"),
    path("instances/<uuid:uid>/keeping/", keeping.keep, name="instance-keeping"),
    path("instances/<uuid:uid>/disconnect/", actions.disconnect, name="instance-disconnect"),
    path("instances/<uuid:uid>/log-out/", actions.log_out, name="instance-log-out"),
    path("instances/<uuid:uid>/delete/", actions.delete, name="instance-delete"),
]
