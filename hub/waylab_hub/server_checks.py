"""What `waylab doctor` asks of a ClearML Server that a site names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from waylab_hub.checks import Check, Verdict
from waylab_site.certificates import trusted
from waylab_site.model import Tracking

# The keys that ClearML's own clients, and the documentation of its charts, name: anyone
# has them.
PUBLIC_KEYS = (
    (
        "EGRTCO8JMSIGI6S39GTP43NFWXDQOW",
        "x!XTov_G-#vspE*Y(h$Anm&DIc5Ou-F)jsl$PdOyj5wG1&E!Z8",
    ),
    ("ENP39EQM4SLACGD5FXB7", "lPcm0imbcBZ8mwgO7tpadutiS3gnJD05x9j7afwXPS35IKbpiQ"),
    ("5442F3443MJMORWZA3ZH", "BxapIRo9ZINi8x25CRxz8Wdmr2pQjzuWVB4PNASZqCtTyWgWVQ"),
    ("GGS9F4M6XB2DXJ5AFT9F", "2oGujVFhPfaozhpuz2GzQfA5OyxmMsR3WVJpsCR5hrgHFs20PO"),
    ("XXCRJ123CEE2KSQ068WO", "YIy8EVAC7QCT4FtgitxAQGyW7xRHDZ4jpYlTE7HKiscpORl1hG"),
    ("GK4PRTVT3706T25K6BA1", "ymLh1ok5k5xNUQfS944Xdx9xjf0wueokqKM2dMZfHuH9ayItG2"),
)
STRANGER = "https://stranger.invalid"
LEAST_API = (2, 20)
OLDEST_SERVER = (1, 14)
SDK_MAJOR = 2
TIMEOUT_SECONDS = 10.0


def server_checks(
    tracking: Tracking, keys: tuple[str, str], sdk: str | None = None
) -> Iterator[Check]:
    """Look at the server with the service user's keys; `sdk`: its version, if known.

    Public keys are tried only at the addresses that the site names.
    """
    urls = {
        name: str(getattr(tracking, name) or "").rstrip("/")
        for name in ("api_url", "web_url", "files_url")
    }
    yield _encrypted(urls)
    api = urls["api_url"]
    with httpx.Client(
        timeout=TIMEOUT_SECONDS, trust_env=False, verify=trusted()
    ) as http:
        try:
            yield _public_keys(http, api)
            yield _origins(http, urls)
            yield _versions(http, api, keys, sdk or _installed())
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            text = f"{api} is no ClearML Server that answers: {error!r}."
            yield Check("ClearML", Verdict.BAD, text)


def _encrypted(urls: dict[str, str]) -> Check:
    open_to_all = [
        f"{name} = {url}"
        for name, url in urls.items()
        if url and urlsplit(url).scheme != "https" and not _is_loopback(url)
    ]
    if open_to_all:
        text = f"Keys travel unencrypted ({', '.join(open_to_all)}): use https."
        return Check("ClearML encryption", Verdict.BAD, text)
    return Check("ClearML encryption", Verdict.OK, "https, or this machine alone")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _public_keys(http: httpx.Client, api: str) -> Check:
    for pair in PUBLIC_KEYS:
        answer = http.post(f"{api}/auth.login", auth=pair)
        if answer.is_success and "token" in (answer.json().get("data") or {}):
            text = (
                f"{api} lets everybody in by the public default key {pair[0]}: "
                "give the server credentials of its own."
            )
            return Check("ClearML default keys", Verdict.BAD, text)
    return Check("ClearML default keys", Verdict.OK, "The public ones are refused")


def _origins(http: httpx.Client, urls: dict[str, str]) -> Check:
    for url in (urls["api_url"], urls["files_url"]):
        if not url:
            continue
        place = f"{url}/debug.ping" if url == urls["api_url"] else url
        told = http.get(place, headers={"Origin": STRANGER})
        allowed = told.headers.get("access-control-allow-origin", "")
        if allowed in ("*", STRANGER):
            text = f"{url} lets pages of any site read it (CORS {allowed}): name yours."
            return Check("ClearML CORS", Verdict.BAD, text)
    return Check("ClearML CORS", Verdict.OK, "Pages of other sites cannot read it")


def _versions(
    http: httpx.Client, api: str, keys: tuple[str, str], sdk: str | None
) -> Check:
    name = "ClearML version"
    answer = http.post(f"{api}/auth.login", auth=keys)
    told: dict[str, Any] = answer.json()
    if not answer.is_success:
        text = f"{api} refuses the keys of the service user in secrets/clearml.json."
        return Check(name, Verdict.BAD, text)
    # The token is the server's own: it is read, not trusted.
    claims = jwt.decode(told["data"]["token"], options={"verify_signature": False})
    server = str(claims.get("server_version") or "")
    spoken = str(claims.get("api_version") or "")
    both = f"server {server or 'unknown'}, API {spoken or 'unknown'}, SDK {sdk}"
    if _numbers(spoken) < LEAST_API or _numbers(server) < OLDEST_SERVER:
        least = ".".join(map(str, OLDEST_SERVER))
        text = f"{both}: too old, Waylab needs a server of {least} or newer."
        return Check(name, Verdict.BAD, text)
    if sdk is None or _numbers(sdk)[:1] != (SDK_MAJOR,):
        text = f"{both}: install clearml {SDK_MAJOR}.x on this machine."
        return Check(name, Verdict.BAD, text)
    return Check(name, Verdict.OK, both)


def _installed() -> str | None:
    try:
        return version("clearml")
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split("-", maxsplit=1)[0].split(".")
    return tuple(int(one) for one in parts if one.isdecimal())
