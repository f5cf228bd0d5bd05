"""The pages' scripts and styles, as `jlpm build:web` left them beside this file."""

from __future__ import annotations

import json
import mimetypes
from dataclasses import astuple, dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

FOLDER = Path(__file__).with_name("web")
HEADERS = {
    # Names carry a hash of the content.
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True)
class Bundle:
    """The names of the built files."""

    script: str
    style: str
    plot: str
    plotly: str
    plotly_light: str


def read(folder: Path) -> Bundle | None:
    """Give what was built into a folder; None if nothing was, or not all of it."""
    try:
        names = json.loads((folder / "manifest.json").read_text("utf-8"))
        bundle = Bundle(*(str(names[name]) for name in Bundle.__annotations__))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (
        bundle if all((folder / name).is_file() for name in astuple(bundle)) else None
    )


async def asset(request: Request) -> Response:
    """Give a built file by name, packed for those who can unpack it."""
    name = request.path_params["name"]
    path = FOLDER / name
    kind, _ = mimetypes.guess_type(name)
    if path.suffix not in (".js", ".css") or not path.is_file():
        return PlainTextResponse("No such file.\n", status_code=404)
    headers = dict(HEADERS)
    packed = path.with_name(f"{name}.gz")
    if "gzip" in request.headers.get("accept-encoding", "") and packed.is_file():
        headers["Content-Encoding"] = "gzip"
        path = packed
    return FileResponse(path, media_type=kind, headers=headers)
