from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from waylab_site.accounts import Account, Accounts
from waylab_site.errors import AccountError

root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make system accounts"
)


@pytest.fixture
def user() -> str:
    return f"t{uuid4().hex[:10]}"


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    return tmp_path / "homes"


@pytest.fixture
def isolated(homes: Path) -> Iterator[Accounts]:
    before = {entry.pw_name for entry in pwd.getpwall()}
    yield Accounts(homes, isolated=True)
    for entry in pwd.getpwall():
        if entry.pw_name not in before and Path(entry.pw_dir).parent == homes:
            subprocess.run(
                ["/usr/sbin/userdel", entry.pw_name], check=True, capture_output=True
            )


def test_without_isolation_all_share_the_current_account(
    homes: Path, user: str
) -> None:
    account = Accounts(homes, isolated=False).ensure(user)

    name = pwd.getpwuid(os.geteuid()).pw_name
    expected = Account(user, name, os.geteuid(), os.getegid(), homes / user)
    assert account == expected
    assert account.home.stat().st_mode & 0o777 == 0o700


@root_only
def test_isolated_users_get_an_unprivileged_account_each(
    isolated: Accounts, user: str
) -> None:
    account = isolated.ensure(user)

    assert account.name == f"waylab-{user}"
    assert account.uid not in {0, os.geteuid()}
    found = account.home.stat()
    assert (found.st_uid, found.st_gid) == (account.uid, account.gid)
    assert found.st_mode & 0o777 == 0o700
    assert os.getgrouplist(account.name, account.gid) == [account.gid]


@root_only
def test_asking_again_gives_the_same_account(isolated: Accounts, user: str) -> None:
    first = isolated.ensure(user)
    (first.home / "kept").touch()

    assert isolated.ensure(user) == first
    assert (first.home / "kept").exists()


@root_only
def test_a_foreign_account_of_that_name_is_left_alone(
    isolated: Accounts, homes: Path, user: str
) -> None:
    foreign = f"waylab-{user}"
    command = ["/usr/sbin/useradd", "--system", "--home-dir", str(homes / user)]
    subprocess.run([*command, foreign], check=True, capture_output=True)

    account = isolated.ensure(user)

    assert account.name.startswith(f"{foreign}-")
    assert account.uid != pwd.getpwnam(foreign).pw_uid


@root_only
def test_long_and_odd_names_fit_into_an_account_name(isolated: Accounts) -> None:
    unique = uuid4().hex
    accounts = {
        isolated.ensure(name)
        for name in (
            f"Maximiliane.Musterfrau.{unique}@example.org",
            f"maximiliane.musterfrau.{unique}@example.org",
            f"maximiliane-musterfrau-{unique}-example-org",
        )
    }

    assert len({account.name for account in accounts}) == 3
    assert len({account.home for account in accounts}) == 3
    assert all(len(account.name) <= 32 for account in accounts)


@root_only
def test_a_home_of_someone_else_is_refused(
    isolated: Accounts, homes: Path, user: str
) -> None:
    (homes / user).mkdir(parents=True)
    (homes / user / "theirs").touch()
    os.chown(homes / user, 65534, 65534)

    with pytest.raises(AccountError, match="belongs to user id 65534"):
        isolated.ensure(user)


@root_only
def test_a_link_in_the_place_of_a_home_is_refused(
    isolated: Accounts, homes: Path, user: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    homes.mkdir()
    (homes / user).symlink_to(victim)

    with pytest.raises(AccountError, match="No home folder"):
        isolated.ensure(user)
    assert victim.stat().st_uid == 0


def test_a_user_without_a_name_is_refused(homes: Path) -> None:
    with pytest.raises(AccountError, match="without a name"):
        Accounts(homes, isolated=False).ensure("")
