"""The certificates that this process trusts, read once.

httpx reads them for each client that it makes, which takes tens of milliseconds: in the
hub's event loop, at the start of each lab, everybody would feel that.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Give the context for clients of servers that may have a certificate.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` name an organisation's own authorities.
    """
    return httpx.create_ssl_context()
