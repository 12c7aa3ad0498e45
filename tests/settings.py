"""The portal's settings for tests: a data folder of their own, and cheap passwords.

Set before `portal.settings` is read, so that no test ever touches ./data.
"""

import atexit
import os
import shutil
import tempfile
from datetime import timedelta

# Several pytest processes at once: each inherits the first one's environment, and has a folder of its own all the same.
if "DATA_DIR" not in os.environ or os.environ.get("TESTS_DATA_OF", "") != os.environ.get("PYTEST_XDIST_WORKER", ""):
    os.environ["TESTS_DATA_OF"] = os.environ.get("PYTEST_XDIST_WORKER", "")
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="portal-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from portal.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# They sign in again and again, all from one address.
SIGN_IN_RATE = "100000/m"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # In a file, as in life: Django's in-memory default has other locks, and no
    # two connections that wait for each other.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
# No collected files, hence no names with hashes in them.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}  # noqa: F405
# A test is one transaction, and may wait for something else meanwhile.
DATABASE_SILENCE = timedelta(minutes=5)
