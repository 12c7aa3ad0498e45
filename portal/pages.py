"""Addresses of the pages, beside the API's."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from portal.views import account, home, live

urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", account.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("preferences/", home.preferences, name="preferences"),
    path("preferences/password/", account.ChangePassword.as_view(), name="password"),
    path("preferences/language/", account.set_language, name="language"),
    path("reference/", home.reference, name="reference"),
    path("live/", live.live, name="live"),
    path("", include("instances.urls")),
    path("", include("chats.urls")),
]
