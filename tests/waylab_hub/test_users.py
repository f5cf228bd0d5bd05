from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from waylab_hub import passwords
from waylab_hub.errors import PasswordError, UserError
from waylab_hub.users import Users

PASSWORD = "correct horse battery"  # noqa: S105 - made up here.
OTHER = "staple, correct horse"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return Users(tmp_path / "users.sqlite")


def test_a_user_signs_in_with_the_password_only(users: Users) -> None:
    user = users.add("ann", PASSWORD)

    assert users.verify("ann", PASSWORD) == user
    assert users.verify("ann", OTHER) is None
    assert users.verify("nobody", PASSWORD) is None


def test_the_file_is_private_and_holds_no_password(
    users: Users, tmp_path: Path
) -> None:
    users.add("ann", PASSWORD)

    path = tmp_path / "users.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    written = b"".join(part.read_bytes() for part in tmp_path.iterdir())
    assert PASSWORD.encode() not in written
    assert b"$argon2id$" in written


def test_two_processes_see_the_same_users(users: Users, tmp_path: Path) -> None:
    other = Users(tmp_path / "users.sqlite")

    user = users.add("ann", PASSWORD, admin=True)

    assert other.all() == (user,)


def test_a_new_password_is_a_new_generation(users: Users) -> None:
    before = users.add("ann", PASSWORD)
    users.apply_generation(before)

    after = users.set_password("ann", OTHER)

    assert after.generation != before.generation
    assert after.applied == before.generation
    assert users.verify("ann", PASSWORD) is None
    assert users.verify("ann", OTHER) == after


def test_applying_an_older_generation_changes_nothing(users: Users) -> None:
    before = users.add("ann", PASSWORD)
    after = users.set_password("ann", OTHER)

    users.apply_generation(before)

    assert users.get("ann") == after


def test_a_removed_user_is_noted_until_the_hub_has_followed(users: Users) -> None:
    users.add("ann", PASSWORD)

    users.remove("ann")

    assert users.get("ann") is None
    assert users.removals() == ("ann",)
    users.forget_removal("ann")
    assert users.removals() == ()


def test_a_user_made_again_under_an_old_name_is_another_one(users: Users) -> None:
    old = users.add("ann", PASSWORD)
    users.apply_generation(old)
    users.remove("ann")

    new = users.add("ann", PASSWORD)

    assert new.applied == ""
    assert new.generation != old.generation


def test_the_first_admin_stays(users: Users) -> None:
    first = users.add("admin", PASSWORD, admin=True, first=True)

    with pytest.raises(UserError, match="cannot be removed"):
        users.remove("admin")
    with pytest.raises(UserError, match="stays one"):
        users.set_admin("admin", admin=False)
    assert users.first_admin() == first


@pytest.mark.parametrize("name", ["", "Ann", "-a", "a b", "a/b", "a" * 64, "ä"])
def test_a_malformed_name_is_refused(users: Users, name: str) -> None:
    with pytest.raises(UserError, match="is not a user name"):
        users.add(name, PASSWORD)


def test_a_taken_name_and_an_unknown_one_are_told_apart(users: Users) -> None:
    users.add("ann", PASSWORD)

    with pytest.raises(UserError, match="There is a user 'ann' already"):
        users.add("ann", PASSWORD)
    with pytest.raises(UserError, match=r"no user 'bob'. The users: ann"):
        users.set_password("bob", PASSWORD)


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "users.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(UserError, match="newer Waylab"):
        Users(path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users.sqlite"
    path.write_text("this is not a database, it is longer than a header needs" * 9)

    with pytest.raises(UserError, match="cannot be opened"):
        Users(path)


@pytest.mark.parametrize("password", ["short", "x" * 257, "ann12345678"])
def test_a_bad_password_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(PasswordError) as caught:
        passwords.check(password, "ann")
    assert password not in str(caught.value)


def test_generated_passwords_are_accepted_and_differ() -> None:
    made = {passwords.generate() for _ in range(50)}

    assert len(made) == 50
    for password in made:
        passwords.check(password, "admin")


def test_an_overlong_password_is_not_the_same_as_its_beginning() -> None:
    stored = passwords.hash_password("x" * 256)

    assert passwords.matches(stored, "x" * 256)
    assert not passwords.matches(stored, "x" * 257)
    assert not passwords.matches("not a hash", "x")
