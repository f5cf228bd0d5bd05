"""Carries what is configured for pip over to uv, npm and Yarn.

A site that reaches packages through an index, a proxy or a certificate authority of
its own has told pip so; nobody should have to say it four times.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from urllib.parse import urlsplit

_TRUE = {"1", "true", "yes", "on", "y", "t"}


def parse_pip_config(listing: str) -> dict[str, str]:
    """Return pip's settings from `pip config list`; the environment comes first."""
    layers: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, quoted = line.partition("=")
        section, _, name = key.strip().rpartition(".")
        if section in layers and quoted:
            layers[section][name] = str(ast.literal_eval(quoted.strip()))
    return {**layers["global"], **layers["install"], **layers[":env:"]}


def uv_environment(pip: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv download as pip would; `env` has precedence."""
    extra_indexes = pip.get("extra-index-url", "").split()
    wanted = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(extra_indexes),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if _is_true(pip.get("no-index")) else "",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("default-timeout", pip.get("timeout", "")),
        # Files are named by hash, so a second index cannot slip in another one.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_SYSTEM_CERTS": "1",
        "SSL_CERT_FILE": pip.get("cert", ""),
        "HTTPS_PROXY": pip.get("proxy", "") if "https_proxy" not in env else "",
    }
    if "UV_INDEX_URL" in env:
        del wanted["UV_DEFAULT_INDEX"]
    return _missing(wanted, env)


def node_environment(registry: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make npm and Yarn download from one registry."""
    wanted = {
        "NODE_EXTRA_CA_CERTS": env.get("SSL_CERT_FILE", env.get("PIP_CERT", "")),
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
        "YARN_ENABLE_TELEMETRY": "0",
        "YARN_ENABLE_PROGRESS_BARS": "0",
        # Yarn does not read npm's configuration.
        "YARN_NPM_REGISTRY_SERVER": registry.rstrip("/"),
    }
    address = urlsplit(registry)
    if address.scheme == "http" and address.hostname:
        wanted["YARN_UNSAFE_HTTP_WHITELIST"] = address.hostname
    return _missing(wanted, env)


def _missing(wanted: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in wanted.items() if value and not env.get(name)
    }


def _is_true(value: str | None) -> bool:
    return (value or "").strip().lower() in _TRUE
