from __future__ import annotations

import pytest

from waylab_site.errors import SiteFileError
from waylab_site.inventory import GIB, Inventory
from waylab_site.loading import default_text, parse
from waylab_site.model import Site
from waylab_site.server_layout import server_addresses

MACHINE = Inventory(gpus=(), cores=2, memory_bytes=4 * GIB)
SUBDOMAINS = (
    "https://api.clearml.example",
    "https://app.clearml.example",
    "https://files.clearml.example",
)
PORTS = ("http://hal:8008", "http://hal:8080", "http://hal:8081")


def site(tracking: str) -> Site:
    text = f"{default_text(MACHINE)}\n[tracking]\n{tracking}"
    return parse(text, "waylab.toml", MACHINE)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://clearml.example", SUBDOMAINS),
        *((one, SUBDOMAINS) for one in SUBDOMAINS),
        ("http://hal", PORTS),
        *((one, PORTS) for one in PORTS),
        (
            "http://[fd00::1]:8008",
            ("http://[fd00::1]:8008", "http://[fd00::1]:8080", "http://[fd00::1]:8081"),
        ),
        (
            "https://app.lab.example:8443",
            (
                "https://api.lab.example:8443",
                "https://app.lab.example:8443",
                "https://files.lab.example:8443",
            ),
        ),
    ],
)
def test_any_part_of_a_standard_layout_tells_the_others(
    url: str, expected: tuple[str, str, str]
) -> None:
    assert server_addresses(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://clearml.example/app",
        "https://clearml.example:9000",
        "https://10.1.2.3",
        "https://ann:word@clearml.example",
        "http://hal:80800",
    ],
)
def test_another_layout_is_not_guessed(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://app\.clearml\.example"):
        server_addresses(url)


def test_a_site_names_a_server_by_one_address() -> None:
    tracking = site('url = "https://app.clearml.example"').tracking
    assert tracking.is_external
    assert (tracking.api_url, tracking.web_url, tracking.files_url) == SUBDOMAINS


def test_a_site_that_was_written_out_is_read_again() -> None:
    first = site('url = "http://hal"')
    assert Site.model_validate_json(first.model_dump_json()) == first


@pytest.mark.parametrize(
    ("tracking", "told"),
    [
        (
            'url = "http://hal"\nfiles_url = "http://other:8081"',
            "url means files_url = http://hal:8081, and files_url says otherwise",
        ),
        (
            'url = "https://hal.example/x"',
            "tracking: url must name a host alone. Write it as",
        ),
        ('url = "hal.example"', "http:// or https://"),
        ('api_url = "http://hal:8008"', "all of api_url, web_url and files_url"),
        ('url = "http://hal"\nfiles_quota_gib = 1.0', "of the embedded server"),
    ],
)
def test_what_does_not_fit_is_said(tracking: str, told: str) -> None:
    with pytest.raises(SiteFileError) as caught:
        site(tracking)
    assert told in str(caught.value)
