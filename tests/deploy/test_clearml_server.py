"""The files of a ClearML Server, held against what `waylab doctor` refuses.

No ClearML Server can run here: these look at the files' shape, and at the real nginx
with its part of them in front of servers that answer as ClearML's does.
"""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from certipy import Certipy
from tests.waylab_hub.test_server_checks import KEYS, Faults, little_server

from waylab_hub.checks import Verdict
from waylab_hub.server_checks import PUBLIC_KEYS, server_checks
from waylab_site import certificates as site_certificates
from waylab_site.model import Tracking
from waylab_spawner.testing import free_port

FOLDER = Path(__file__).parents[2] / "templates" / "deploy" / "clearml-server"
DOMAIN = "clearml.test"
PACKAGES = Path.home() / ".cache" / "waylab" / "nginx"
DATABASES = {"elasticsearch", "mongo", "redis"}
SERVER = {"apiserver", "webserver", "fileserver"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the folder as `set-up.py` leaves it."""
    folder = tmp_path_factory.mktemp("clearml") / "server"
    shutil.copytree(FOLDER, folder)
    maker = Certipy(store_dir=str(folder / "certificates"))
    maker.create_ca("ca")
    names = [f"DNS:{part}.{DOMAIN}" for part in ("app", "api", "files")]
    files = maker.create_signed_pair("site", "ca", alt_names=names)["files"]
    options = ["--certificate", str(files["cert"]), "--key", str(files["key"])]
    set_up(folder, DOMAIN, "waylab", "ann", *options)
    return folder


def set_up(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(folder / "set-up.py"), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def secrets_of(folder: Path) -> dict[str, str]:
    lines = (folder / ".env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_all_parts_are_there_and_every_image_has_a_version(
    compose: dict[str, Any],
) -> None:
    images = {name: one["image"] for name, one in compose["services"].items()}

    assert set(images) == DATABASES | SERVER
    assert {images[name] for name in SERVER} == {images["apiserver"]}
    for image in images.values():
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+", image), image


def test_the_readme_names_the_versions_of_the_file(compose: dict[str, Any]) -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    pinned = {one["image"] for one in compose["services"].values()}

    assert set(re.findall(r"\| `(\S+:\d\S+)` \|", readme)) == pinned


def test_no_port_is_open_beyond_loopback(compose: dict[str, Any]) -> None:
    ports = {name: one.get("ports", []) for name, one in compose["services"].items()}

    assert {name for name, open_ports in ports.items() if open_ports} == SERVER
    for port in (port for open_ports in ports.values() for port in open_ports):
        assert port.startswith("127.0.0.1:"), port
    inside = {name: set(one["networks"]) for name, one in compose["services"].items()}
    assert compose["networks"]["data"] == {"internal": True}
    assert {name for name, networks in inside.items() if "front" not in networks} == (
        DATABASES
    )


def test_what_is_kept_lies_in_named_volumes(compose: dict[str, Any]) -> None:
    mounts = [
        mount.split(":")[0]
        for one in compose["services"].values()
        for mount in one.get("volumes", [])
    ]

    assert set(mounts) - {"./config"} == set(compose["volumes"])
    assert all(compose["services"][name]["volumes"] for name in DATABASES)


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    text = (FOLDER / "compose.yaml").read_text("utf-8")
    for part in ("apiserver", "fileserver"):
        found = {
            name: value
            for name, value in compose["services"][part]["environment"].items()
            if "__SECURE__" in name
        }
        assert len(found) == 12
        assert all(re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", one) for one in found.values())
    for key, secret in PUBLIC_KEYS:
        assert key not in text
        assert secret not in text


def test_set_up_makes_each_secret_that_is_wanted_and_none_twice(
    installed: Path, compose: dict[str, Any]
) -> None:
    text = (installed / "compose.yaml").read_text("utf-8")
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    made = secrets_of(installed)

    assert set(made) == wanted
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"k[0-9a-f]{29,59}", one) for one in made.values())
    for path in (installed / ".env", *(installed / "config").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_set_up_writes_nothing_over(installed: Path) -> None:
    before = {path: path.read_bytes() for path in installed.rglob("*.conf")}
    before[installed / ".env"] = (installed / ".env").read_bytes()

    told = set_up(installed, "other.test", "eve")

    assert told.count("stays as it is") == 5
    assert {path: path.read_bytes() for path in before} == before


def test_users_have_passwords_of_their_own_and_only_the_pages_may_read(
    installed: Path,
) -> None:
    text = (installed / "config" / "apiserver.conf").read_text("utf-8")

    passwords = re.findall(r'"password": "([^"]+)"', text)
    assert len(set(passwords)) == 2
    assert min(map(len, passwords)) >= 20
    for name in ("apiserver.conf", "fileserver.conf"):
        conf = (installed / "config" / name).read_text("utf-8")
        assert re.findall(r"origins: (.*)", conf) == [f'"https://app.{DOMAIN}"']


@pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="there is no docker-compose here"
)
def test_compose_itself_reads_the_file(installed: Path, tmp_path: Path) -> None:
    # Debian's own is of before the key `name`.
    text = (installed / "compose.yaml").read_text("utf-8")
    file = installed / "compose-old.yaml"
    file.write_text(text.replace("name: clearml\n", "", 1))
    command = ["docker-compose", "-f", str(file), "--project-directory"]
    known = ["config", "--quiet"]

    subprocess.run([*command, str(installed), *known], check=True, timeout=60)
    unknown = subprocess.run([*command, str(tmp_path), *known], check=False, timeout=60)

    file.unlink()
    assert unknown.returncode != 0


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the domain's names lead here: there is no DNS."""
    really = socket.getaddrinfo

    def look_up(host: Any, *more: Any, **named: Any) -> Any:
        here = isinstance(host, str) and host.endswith(DOMAIN)
        return really("127.0.0.1" if here else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture
def trust(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trust the authority of the certificate, as a machine of the site does."""
    store = Certipy(store_dir=str(installed / "certificates")).store
    store.load()
    authority = store.get_record("ca")["files"]["cert"]
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    site_certificates.trusted.cache_clear()
    yield
    site_certificates.trusted.cache_clear()


@contextmanager
def nginx(installed: Path, folder: Path, server: str) -> Iterator[int]:
    """Run nginx with the site's file in front of one server; give its port."""
    port = free_port()
    site = (installed / "nginx.conf").read_text("utf-8")
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        **dict.fromkeys(("127.0.0.1:8080", "127.0.0.1:8008", "127.0.0.1:8081"), server),
    }.items():
        assert old in site
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "main.conf"
    main.write_text(
        f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    for package in PACKAGES.glob("*.deb"):
        subprocess.run(
            ["/usr/bin/dpkg-deb", "-x", package, folder / "nginx"], check=True
        )
    program = folder / "nginx" / "usr" / "sbin" / "nginx"
    process = subprocess.Popen([program, "-e", "stderr", "-c", main])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(not PACKAGES.is_dir(), reason="hub/install/engine.sh got no nginx")
@pytest.mark.usefixtures("names", "trust")
def test_behind_nginx_the_doctor_finds_nothing_to_refuse_whatever_the_parts_allow(
    installed: Path, tmp_path: Path
) -> None:
    pages = f"https://app.{DOMAIN}"
    with (
        little_server(Faults(origin="*")) as url,
        nginx(installed, tmp_path, url.removeprefix("http://")) as port,
        httpx.Client(verify=site_certificates.trusted(), trust_env=False) as http,
    ):
        tracking = Tracking(url=f"https://app.{DOMAIN}:{port}")
        found = list(server_checks(tracking, KEYS))
        allowed = [
            http.get(
                f"https://{part}.{DOMAIN}:{port}/debug.ping", headers={"Origin": origin}
            ).headers.get_list("access-control-allow-origin")
            for part in ("api", "files")
            for origin in (pages, "https://stranger.invalid")
        ]
    assert {one.verdict for one in found} == {Verdict.OK}, found
    assert allowed == [[pages], [], [pages], []]
