"""What a client may change, told before it asks."""

from __future__ import annotations

import pytest

from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import Forbidden
from waylab_clearml.rights import rights
from waylab_clearml.runs import abort
from waylab_tracking.testing import Server


@pytest.mark.parametrize("role", ["user", "admin"])
def test_what_is_told_is_what_the_server_does(server: Server, role: str) -> None:
    def enter(name: str, role: str) -> Client:
        keys = server.create_user(name, role)
        return Client(Credentials(server.url, server.url, server.files_url, *keys))

    with enter("owner", "user") as owner, enter(f"a-{role}", role) as other:
        body = {"name": "a run", "type": "training"}
        run = str(owner.call("tasks.create", body)["id"])
        owner.call("tasks.started", {"task": run})
        me, them = rights(owner), rights(other)

        assert me.may_change(me.user_id)
        assert not me.may_change(them.user_id)
        assert them.may_change(me.user_id) == (role == "admin")
        if role == "admin":
            abort(other, run)
        else:
            with pytest.raises(Forbidden):
                abort(other, run)
