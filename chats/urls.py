"""Addresses of the chats, search and pin pages."""

from django.urls import path

from chats.views import batches, chats, export, figures, media, pins, plans, rules, search

urlpatterns = [
    path("chats/", chats.chats, name="chats"),
    path("chats/list/", chats.listing, name="chat-list"),
    path("chats/<int:pk>/", chats.chat, name="chat"),
    path("chats/<int:pk>/rows/", chats.rows, name="chat-rows"),
    path("chats/<int:pk>/pinned/", chats.pinned_bar, name="chat-pinned"),
    path("chats/<int:pk>/details/", chats.details, name="chat-details"),
    path("chats/<int:pk>/state/", chats.state, name="chat-state"),
    path("messages/<int:pk>/pin-control/", pins.control, name="pin-control"),
    path("messages/<int:pk>/pin/", pins.pin, name="pin"),
    path("messages/<int:pk>/unpin/", pins.unpin, name="unpin"),
    path("messages/<int:pk>/file/", media.file, name="media"),
    path("messages/<int:pk>/file/show/", media.show, name="media-show"),
    path("search/", search.search_page, name="search"),
    path("search/export/", export.export, name="search-export"),
    path("pins/", pins.pin_board, name="pins"),
    path("pins/history/", pins.pin_history, name="pin-history"),
    path("pins/planned/", plans.planned, name="pins-planned"),
    path("pins/many/", batches.listing, name="batches"),
    path("pins/many/add/", batches.add, name="batch-add"),
    path("pins/many/<uuid:batch>/", batches.batch, name="batch"),
    path("pins/many/<uuid:batch>/stop/", batches.stop, name="batch-stop"),
    path("pins/many/<uuid:batch>/resume/", batches.resume, name="batch-resume"),
    path("pins/rules/", rules.listing, name="rules"),
    path("pins/rules/<uuid:uid>/add/", rules.add, name="rule-add"),
    path("pins/rules/<uuid:rule>/", rules.rule, name="rule"),
    path("pins/rules/<uuid:rule>/switch/", rules.switch, name="rule-switch"),
    path("pins/rules/<uuid:rule>/delete/", rules.delete, name="rule-delete"),
    path("pins/figures/", figures.figures, name="figures"),
    path("pins/figures.csv", export.figures, name="figures-csv"),
    path("pins/pins.csv", export.pins, name="pins-csv"),
    path("messages/<int:pk>/", plans.pin_page, name="pin-page"),
    path("messages/<int:pk>/schedule/", plans.schedule, name="schedule"),
    path("messages/<int:pk>/schedule/cancel/", plans.cancel, name="schedule-cancel"),
]
