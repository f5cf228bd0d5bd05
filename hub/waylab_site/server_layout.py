"""Where the parts of a ClearML Server in its standard layout are, from one address.

ClearML's documentation knows two layouts: one host with a port for each part, and the
sub-domains `app`, `api` and `files`.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

PORTS = {"api": 8008, "app": 8080, "files": 8081}
FORMS = "https://clearml.example, https://app.clearml.example or http://host:8080"


class ServerAddresses(NamedTuple):
    """The three addresses of a server."""

    api_url: str
    web_url: str
    files_url: str


def server_addresses(url: str) -> ServerAddresses:
    """Give the addresses of a server of which one is named.

    Any part's address will do. A name alone means the sub-domains where it is https,
    and the ports where it is plain http, as the official server listens by itself.

    Raises:
        ValueError: it is no address of a standard layout.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        msg = f"the port of url is no number from 0 to 65535: write it as {FORMS}"
        raise ValueError(msg) from error
    host = parts.hostname or ""
    if not host or parts.path or parts.query or parts.fragment or parts.username:
        msg = (
            f"url must name a host alone: write it as {FORMS}, or write api_url, "
            "web_url and files_url"
        )
        raise ValueError(msg)
    label, _, rest = host.partition(".")
    if label in PORTS and rest:
        return _subdomains(parts, rest)
    if port in PORTS.values() or (port is None and parts.scheme == "http"):
        return _ports(parts, host)
    if port is None and not _is_number(host):
        return _subdomains(parts, host)
    msg = (
        f"url tells no standard layout: write it as {FORMS}, or write api_url, "
        "web_url and files_url"
    )
    raise ValueError(msg)


def _subdomains(parts: SplitResult, domain: str) -> ServerAddresses:
    port = "" if parts.port is None else f":{parts.port}"
    return ServerAddresses(
        *(f"{parts.scheme}://{label}.{domain}{port}" for label in PORTS)
    )


def _ports(parts: SplitResult, host: str) -> ServerAddresses:
    named = f"[{host}]" if ":" in host else host
    return ServerAddresses(
        *(f"{parts.scheme}://{named}:{port}" for port in PORTS.values())
    )


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
