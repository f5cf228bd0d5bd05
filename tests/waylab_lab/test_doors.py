from __future__ import annotations

import httpx
import pytest
from tests.waylab_lab.rig import API, Lab

from waylab_lab.app import ROUTES

METHODS = {"get": "GET", "post": "POST"}
DOORS = [
    (METHODS[name], path.replace("([A-Za-z0-9]{1,64})", "a1").replace("(.+)", "key"))
    for path, handler in ROUTES
    for name in METHODS
    if name in vars(handler)
]


@pytest.mark.parametrize(("method", "path"), DOORS)
def test_a_stranger_is_turned_away(lab: Lab, method: str, path: str) -> None:
    answer = httpx.request(method, f"{lab.url}{API}{path}", trust_env=False)
    assert answer.status_code == 403


def test_another_site_cannot_act_through_the_browser(lab: Lab) -> None:
    with httpx.Client(trust_env=False, base_url=lab.url) as browser:
        browser.get("/login", params={"token": lab.token}, follow_redirects=True)
        form = {"name": "x.ipynb", "folder": ""}
        assert browser.get(f"{API}starters").status_code == 200
        refused = browser.post(f"{API}starters", json=form)
        assert refused.status_code == 403
        allowed = browser.post(
            f"{API}starters",
            json=form,
            headers={"X-XSRFToken": browser.cookies["_xsrf"]},
        )
        assert allowed.status_code == 422
