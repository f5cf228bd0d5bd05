"""Who makes a request: by token, by keys, or by the cookie of a signed-in browser."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request

from waylab_tracking.access import Role
from waylab_tracking.errors import forbidden, unauthorized
from waylab_tracking.identity import (
    LIKE_ID,
    Identity,
    Principal,
    user_by_id,
    user_by_name,
)

IMPERSONATE = "x-clearml-impersonate-as"
COOKIE = "waylab-tracking"
# Sent by our pages. No form can, and other sites' scripts may not without our leave.
PAGE = "x-waylab-page"
LOOKING = frozenset(
    {
        "events.debug_images",
        "events.get_task_events",
        "events.get_task_plots",
        "events.get_task_single_value_metrics",
        "events.scalar_metrics_iter_histogram",
        "models.get_all_ex",
        "models.get_by_id",
        "projects.get_all_ex",
        "projects.get_by_id",
        "queues.get_all",
        "tasks.get_all_ex",
        "tasks.get_by_id_ex",
        "users.get_all_ex",
        "users.get_current_user",
        "waylab.get_sharing",
        "workers.get_all",
        "workers.get_stats",
    }
)
"""What a page may ask in the name of a signed-in browser; none of these changes
anything."""
CHANGING = frozenset({"waylab.share_project"})
"""The changes that a page may make: only who sees what, and for no other site."""
SESSION_SECONDS = 8 * 3600


def by_header(
    request: Request, db: sa.Connection, identity: Identity, *, keys: bool
) -> Principal:
    """Tell who asks, by token (or by keys where these are taken); 401 otherwise."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        who = identity.by_token(db, text.strip())
    elif scheme.lower() == "basic" and keys:
        who = identity.by_keys(db, *_decode_basic(text))
    else:
        raise unauthorized("missing token", 20)
    wanted = request.headers.get(IMPERSONATE)
    if not wanted or wanted in (who.id, who.name):
        return who
    if who.role is not Role.SYSTEM:
        raise forbidden("only the system principal acts for others")
    named = user_by_id if LIKE_ID.fullmatch(wanted) else user_by_name
    return named(db, wanted)


def by_header_or_cookie(
    request: Request, db: sa.Connection, identity: Identity
) -> Principal:
    """Tell who asks; a cookie is good for looking only, as browsers send it unasked."""
    if "authorization" in request.headers:
        return by_header(request, db, identity, keys=True)
    if request.method not in ("GET", "HEAD"):
        raise unauthorized("missing token", 20)
    return _by_cookie(request, db, identity)


def by_page(
    request: Request, db: sa.Connection, identity: Identity, endpoint: str
) -> Principal:
    """Tell who looks at a page of ours that calls an endpoint.

    Raises:
        ApiError: the call changes more than pages may (403), comes from another site
            (403), or nobody is signed in (401).
    """
    if endpoint not in LOOKING | CHANGING:
        raise forbidden(f"pages only look: {endpoint} takes a token")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise forbidden("another site asks")
    if endpoint in CHANGING and not _is_of_our_page(request):
        raise forbidden("only our own page may change this")
    if "authorization" in request.headers:
        return by_header(request, db, identity, keys=True)
    return _by_cookie(request, db, identity)


def _is_of_our_page(request: Request) -> bool:
    """Say whether a browser names our origin, which it does for each POST."""
    origin = urlsplit(request.headers.get("origin", ""))
    return request.method == "POST" and origin.netloc == request.headers.get("host")


def _by_cookie(request: Request, db: sa.Connection, identity: Identity) -> Principal:
    try:
        user = signer(identity, "session").loads(
            request.cookies.get(COOKIE, ""), max_age=SESSION_SECONDS
        )
    except BadSignature as error:
        raise unauthorized("not signed in", 20) from error
    return user_by_id(db, str(user))


def signer(identity: Identity, salt: str) -> URLSafeTimedSerializer:
    """Give what signs and reads cookies of one kind."""
    return URLSafeTimedSerializer(identity.cookie_secret, salt=salt)


def _decode_basic(text: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthorized("malformed credentials", 22) from error
    return user, password
