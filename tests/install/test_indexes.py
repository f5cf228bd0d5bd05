"""Carrying pip's configuration over to the other installers."""

from waylab_install.indexes import (
    node_environment,
    parse_pip_config,
    uv_environment,
)


def test_the_environment_wins_over_files_and_install_over_global() -> None:
    listing = (
        ":env:.find-links='/mnt/wheels'\n"
        "global.find-links='/srv/wheels'\n"
        "global.index-url='http://mirror/simple'\n"
        "install.index-url='http://near/simple'\n"
        "download.index-url='http://far/simple'\n"
    )

    assert parse_pip_config(listing) == {
        "find-links": "/mnt/wheels",
        "index-url": "http://near/simple",
    }


def test_uv_gets_what_pip_was_told() -> None:
    pip = {
        "index-url": "https://mirror/simple",
        "extra-index-url": "file:///opt/a\nfile:///opt/b",
        "find-links": "/mnt/wheels /srv/wheels",
        "trusted-host": "mirror",
        "default-timeout": "180",
        "cert": "/etc/ca.pem",
        "no-index": "false",
    }

    assert uv_environment(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://mirror/simple",
        "UV_INDEX": "file:///opt/a file:///opt/b",
        "UV_FIND_LINKS": "/mnt/wheels,/srv/wheels",
        "UV_INSECURE_HOST": "mirror",
        "UV_HTTP_TIMEOUT": "180",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_SYSTEM_CERTS": "1",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_what_is_set_for_uv_itself_is_left_alone() -> None:
    env = {"UV_INDEX_URL": "https://own/simple", "UV_HTTP_TIMEOUT": "5"}

    wanted = uv_environment({"index-url": "x", "default-timeout": "180"}, env)

    assert "UV_DEFAULT_INDEX" not in wanted
    assert "UV_HTTP_TIMEOUT" not in wanted


def test_yarn_downloads_from_the_registry_that_npm_uses() -> None:
    wanted = node_environment("http://mirror:4873/npm/", {"PIP_CERT": "/etc/ca.pem"})

    assert wanted["YARN_NPM_REGISTRY_SERVER"] == "http://mirror:4873/npm"
    assert wanted["YARN_UNSAFE_HTTP_WHITELIST"] == "mirror"
    assert wanted["NODE_EXTRA_CA_CERTS"] == "/etc/ca.pem"
