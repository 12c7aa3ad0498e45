"""Every setting of the portal but HOST, PORT and WEB_PROCESSES, read from the environment in this one file.

The defaults are the embedded portal: SQLite, an own nats-server on loopback
and rate limits in the memory of the single web process. `docs/configuration.md`
lists all variables.
"""

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ

from portal.secrets import read_or_make_secret, read_secret

env = environ.Env()


def _several(name: str, default: list[str]) -> list[str]:
    """Values with commas between. People write blanks behind them, which would belong to the value for environ."""
    return [value for text in env.list(name, default=default) if (value := text.strip())]


BASE_DIR = Path(__file__).resolve().parent.parent
# Templates, static files, translations and manage.py: at the top of a checkout, inside this package once installed.
ASSETS = BASE_DIR if (BASE_DIR / "manage.py").exists() else BASE_DIR / "portal" / "assets"
# An installed portal keeps nothing beside its code, which the next upgrade replaces.
DATA_DIR = Path(env.str("DATA_DIR", default=str((BASE_DIR if ASSETS == BASE_DIR else Path.cwd()) / "data"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or read_or_make_secret(DATA_DIR / "secret.key")
ALLOWED_HOSTS = _several("ALLOWED_HOSTS", ["*"] if DEBUG else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = _several("CSRF_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "portal.administration.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "corsheaders",
    "rest_framework",
    "portal",
    "instances",
    "chats",
]

MIDDLEWARE = [
    "portal.tracing.Tracing",
    "portal.rest.middleware.ApiMiddleware",
    "portal.middleware.PageCompression",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.ContentSecurityPolicy",
    "portal.middleware.NoOtherHost",
    "portal.page_layers.Files",
    "portal.page_layers.NotKept",
    "corsheaders.middleware.CorsMiddleware",
    "portal.page_layers.Session",
    "portal.page_layers.Language",
    "portal.middleware.ReadersTimeZone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.page_layers.User",
    "portal.page_layers.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "portal.page_layers.NoBlankPage",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ASSETS / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.page",
            ]
        },
    }
]

# --- Where data is kept ---------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default="")
# Options of libpq, which DATABASE_URL may set otherwise: a machine that is gone without a word is given up after half a
# minute. Who waits for its answer would wait for two hours, the kernel's own limit.
DATABASE_LIMITS: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": (
        env.db_url_config(DATABASE_URL)
        if DATABASE_URL
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "portal.sqlite3")}
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["ENGINE"] = "portal.sqlite3"
    # WAL lets pages read while the connector writes. IMMEDIATE takes the write
    # lock at the start of a transaction, so that two writers queue (up to
    # `timeout` seconds) instead of failing half-way with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        # A batch of history changes a thousand pages: the default would carry
        # them from the log into the database, and wait for the disk, each time.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456;"
            " PRAGMA wal_autocheckpoint=8000;"
            # A process has fifty connections: what one keeps of what it read is a quarter of SQLite's own 2 MB (the
            # system has it too), and as much as ever of what it is about to write (in pages).
            " PRAGMA cache_size=-512; PRAGMA cache_spill=500;"
        ),
        # Python keeps 128 compiled statements, a megabyte of them.
        "cached_statements": 48,
    }
    # Each thread keeps its connection: opening one costs more than most queries.
    DATABASES["default"]["CONN_MAX_AGE"] = None
else:
    # Django's, in whose transactions nobody may be silent for long.
    DATABASES["default"]["ENGINE"] = "portal.postgresql"
    # A pool is shared by all threads of a process; Django's own persistent
    # connections belong to one thread each and would be thrown away with it.
    DATABASES["default"]["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL", default=20), "timeout": 10},
        **DATABASE_LIMITS,
        **DATABASES["default"].get("OPTIONS", {}),
    }
    # A pgbouncer gives each transaction another connection, and a cursor on the
    # server lives in one. (Statements are not prepared either: Django's default.)
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = env.str("CACHE_URL", default="")
CACHES = {
    "default": (
        {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": CACHE_URL.replace("valkey://", "redis://", 1).replace("valkeys://", "rediss://", 1),
            # A cache that hangs must not hang every answer.
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
        if CACHE_URL
        else {
            "BACKEND": "portal.memory_cache.MemoryCache",
            # Rate limits live here; the default of 300 entries would forget
            # a third of the callers as soon as the 301st came along.
            "OPTIONS": {"MAX_ENTRIES": 200_000},
        }
    )
}
# django_ratelimit warns that a cache in memory is not shared. It need not be:
# `manage.py run` starts one web process, and refuses several without CACHE_URL.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]
# `check --deploy`: the portal is one name of somebody's domain, and not ours to speak for the others (HSTS for
# subdomains, and in the lists that browsers bring).
SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]

# --- WhatsApp and the processes around it ---------------------------------

# Empty: `manage.py run` starts its own nats-server, tells its processes by the
# environment, and leaves the address here for commands in another terminal.
NATS_URL = env.str("NATS_URL", default="") or read_secret(DATA_DIR / "nats" / "url")
# Of tls:// addresses: the file with the certificate of who signed the servers'. Empty: the system's authorities.
NATS_CA = env.str("NATS_CA", default="")
# On how many servers of a cluster the work queue of webhooks lies: 3 survives the loss of one.
NATS_REPLICAS = env.int("NATS_REPLICAS", default=1)
PROCESS_NAME = env.str("PROCESS_NAME", default="portal")
SESSION_DIR = DATA_DIR / "sessions"
# Empty: the keys of linked devices lie in SESSION_DIR. Connectors on several
# machines, which take over from each other, need them in PostgreSQL.
SESSION_DATABASE_URL = env.str("SESSION_DATABASE_URL", default="")
# Two connectors of one name cannot run at once; a restarted one takes up the
# instances of its predecessor without waiting for the lease to run out.
# Several share the instances: docs/scaling.md.
CONNECTOR_NAME = env.str("CONNECTOR_NAME", default=f"{os.uname().nodename}:{DATA_DIR}")
# What holds for this connector, "region=eu,proxy=home": instances with labels go only to who has all of them.
CONNECTOR_LABELS = env.str("CONNECTOR_LABELS", default="")
LEASE = timedelta(seconds=env.float("LEASE_SECONDS", default=6))
# Nothing is put on the wire when less than this is left of the lease: the
# library takes its time between our order and the stanza.
LEASE_MARGIN = LEASE / 6
# Between two statements of a transaction PostgreSQL waits so long for whoever began it, and then gives what it holds to
# others. A lease: when the others may take over from a connector that is silent, nothing of it is in their way.
DATABASE_SILENCE = max(LEASE, timedelta(seconds=5))
# 0: no process answers Prometheus.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")
# Whether to hear how far sent messages have come; see docs/wire.md for what it costs.
RECEIPTS = env.bool("RECEIPTS", default=True)
# How long a caller waits for WhatsApp's acknowledgement of a pin.
ACK_TIMEOUT = timedelta(seconds=env.float("ACK_TIMEOUT_SECONDS", default=15))

# MB of memory at which a connector ends, and is started again. None: what the machine can spare; 0: no limit.
CONNECTOR_MEMORY_MB = env.int("CONNECTOR_MEMORY_MB", default=None)
# Stopped clients after which a connector ends, and is started again; 0: never. See docs/scaling.md, "What stays open".
CONNECTOR_CLIENTS = env.int("CONNECTOR_CLIENTS", default=500)

# Of files in messages, which are fetched when somebody asks for them: the
# largest, how long to wait for one, and how much of them to keep here.
MEDIA_DIR = DATA_DIR / "media"
MEDIA_MAX_BYTES = env.int("MEDIA_MAX_MB", default=32) * 1024 * 1024
MEDIA_CACHE_BYTES = env.int("MEDIA_CACHE_MB", default=1024) * 1024 * 1024
MEDIA_TIMEOUT = timedelta(seconds=env.float("MEDIA_TIMEOUT_SECONDS", default=60))

# --- Events to webhooks ----------------------------------------------------

# Networks inside a house that webhooks may go to, "10.1.0.0/16,127.0.0.0/8".
WEBHOOK_ALLOWED_NETWORKS = [ipaddress.ip_network(text) for text in _several("WEBHOOK_ALLOWED_NETWORKS", [])]
WEBHOOK_TIMEOUT = timedelta(seconds=env.float("WEBHOOK_TIMEOUT_SECONDS", default=10))
# Requests that are under way to one address at the same moment.
WEBHOOK_CONCURRENCY = env.int("WEBHOOK_CONCURRENCY", default=4)
# The wait before the second attempt, which doubles from there; and for how long.
WEBHOOK_FIRST_WAIT = timedelta(seconds=env.float("WEBHOOK_FIRST_WAIT_SECONDS", default=5))
WEBHOOK_RETRY = timedelta(hours=env.float("WEBHOOK_RETRY_HOURS", default=24))
WEBHOOK_LOG_DAYS = env.int("WEBHOOK_LOG_DAYS", default=14)

# A pin planned for a time that passed longer ago than this is not made any more, and reported.
SCHEDULE_LATE = timedelta(seconds=env.int("SCHEDULE_LATE_SECONDS", default=3600))
# Between two pins of a selection at one instance.
BATCH_PACE = timedelta(seconds=env.float("BATCH_PACE_SECONDS", default=2.0))

# --- The REST API ---------------------------------------------------------

API_RATE = env.str("API_RATE", default="100/m")
API_NEW_INSTANCE_RATE = env.str("API_NEW_INSTANCE_RATE", default="20/m")
# How often one address may try to sign in, with whatever names, and a person to change their password: each try costs
# a slow hash.
SIGN_IN_RATE = env.str("SIGN_IN_RATE", default="30/m")
# Exports of a search: how often a person or a token may begin one.
EXPORT_RATE = env.str("EXPORT_RATE", default="10/m")
API_MAX_BODY = 1024 * 1024
# Whether an instance may have a proxy in a private network or on this machine.
PROXY_ALLOW_PRIVATE = env.bool("PROXY_ALLOW_PRIVATE", default=False)
# How many proxies in front of the portal add to X-Forwarded-For. 0: the
# address of the connection counts, and the header, which anyone can send, not.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BODY
# Fields of a form, and parameters of an address. A selection's form has one for each message, 1,000 at most
# (`chats.errands.batch.MOST`), and a few more.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_024
# How long a caller may take over the head of a request, and over each 16 KiB after it, in or out.
PATIENCE_SECONDS = env.float("PATIENCE_SECONDS", default=20)

CORS_URLS_REGEX = r"^/api/"
CORS_ALLOWED_ORIGINS = _several("CORS_ALLOWED_ORIGINS", [])
CORS_ALLOW_ALL_ORIGINS = env.bool("CORS_ALLOW_ALL_ORIGINS", default=False)
CORS_ALLOW_HEADERS = ["content-type", "authorization", "token", "idempotency-key", "x-request-id"]
CORS_ALLOW_CREDENTIALS = False
CORS_EXPOSE_HEADERS = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
    "Idempotency-Replayed",
]

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.rest.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

# `portal.rest.openapi` has the rest.
SPECTACULAR_SETTINGS = {
    "TITLE": "WhatsApp Portal",
    "DESCRIPTION": "Pin messages for everyone, read and send, and run instances. Every answer carries "
    "`X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (Unix seconds), and `X-Request-ID`: yours if "
    "you sent one, by which logs and audit name the request. `security` names the scopes of tokens: any one of them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SECURITY": [{"token": []}, {"bearer": []}],
    "POSTPROCESSING_HOOKS": [],
}

# --- Pages ----------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
# Whoever guesses at one person's password from one address has five tries in
# five minutes. Both together: a whole office behind one address is not locked
# out by one colleague, nor a person by a stranger elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "portal.views.account.address_of"
AXES_LOCKOUT_CALLABLE = "portal.views.account.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# True: every page says that this is a demonstration. It changes nothing else.
DEMO = env.bool("DEMO", default=False)
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("pt", "Português"), ("es", "Español")]
LOCALE_PATHS = [ASSETS / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [ASSETS / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Names that hold a hash may be kept by browsers for ever, and are compressed once.
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

CSRF_FAILURE_VIEW = "portal.views.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
HTTPS = env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=30 * 24 * 3600)
    SECURE_SSL_REDIRECT = True
    # Who spreads the callers asks without TLS. And where a program has sent its token in the clear, sending it on to
    # https would only hide that.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api(/|$)"]
elif env.str("HOST", default="127.0.0.1") in ("127.0.0.1", "::1", "localhost"):
    # On this machine alone, which is the default, there is no TLS for cookies to insist on.
    SILENCED_SYSTEM_CHECKS += [f"security.{check}" for check in ("W004", "W008", "W010", "W016")]

_LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"named": {"()": "portal.tracing.Named"}, "no_queries": {"()": "portal.tracing.NoQueries"}},
    "formatters": {
        "line": {"()": "portal.tracing.Lines", "fmt": "{asctime} {levelname} {name}:{about} {message}", "style": "{"},
        "json": {"()": "portal.tracing.JsonLines"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["named"],
            "formatter": "json" if env.str("LOG_FORMAT", default="line") == "json" else "line",
        }
    },
    # What others' libraries say of everything they do quotes what they carry: WebSockets their tokens and messages.
    "root": {"handlers": ["stderr"], "level": "INFO" if _LOG_LEVEL == "DEBUG" else _LOG_LEVEL},
    "loggers": {
        **{name: {"level": _LOG_LEVEL} for name in ("portal", "chats", "instances")},
        # An unauthorised call is an answer, not a fault of ours.
        "django.request": {"level": "ERROR"},
        # uvicorn tells of each WebSocket with its address, and a token may stand behind its "?".
        "uvicorn.error": {"filters": ["no_queries"]},
        # whatsmeow's own log may quote message ids and numbers.
        "axes": {"level": "WARNING"},
        # neonize misses a program that nothing here asks it to use.
        "neonize.utils.ffmpeg": {"level": "ERROR"},
        "whatsmeow": {"level": "WARNING"},
        "Whatsmeow": {"level": "WARNING"},
    },
}
