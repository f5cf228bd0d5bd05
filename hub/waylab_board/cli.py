"""The operator's verbs about GPUs: `waylab gpus`, `waylab audit`, `waylab node`.

They speak to the board with the token in `secrets/board-operator.json` of the state
folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import httpx
import typer

from waylab_ledger.values import DeviceKind
from waylab_ledger.wire import (
    BoardState,
    DeviceShown,
    LeaseShown,
    NodeShown,
    TicketShown,
    WireError,
    decode,
)
from waylab_site.errors import SiteError
from waylab_site.state import State, default_root

OPERATOR_FILE = "board-operator.json"
GIB = 1024**3
_TIMEOUT_SECONDS = 60.0
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NodeName = Annotated[str, typer.Argument(help="The node's name.", metavar="NODE")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask back.")]

gpus = typer.Typer(
    help="Show who holds which GPU and who waits; drain, fence and release.",
    invoke_without_command=True,
)
node = typer.Typer(
    help="Invite nodes' agents, list and revoke their tokens.", no_args_is_help=True
)


class CommandError(Exception):
    """The board cannot be asked, or refuses; the text says what to do."""


@gpus.callback()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who holds which GPU and who waits; drain, fence and release."""
    if context.invoked_subcommand is not None:
        return
    with _failing(as_json):
        told = _ask("GET", "/state")
        state = decode(BoardState, told)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for line in board_lines(state):
        typer.echo(line)


@gpus.command()
def drain(name: NodeName, as_json: AsJson = False) -> None:
    """Let a node take no new leases; what runs there goes on."""
    with _failing(as_json):
        told = _ask("POST", f"/nodes/{name}/drain")
    _say(told, as_json, f"{name} takes nothing new. What runs there goes on.")


@gpus.command()
def undrain(name: NodeName, as_json: AsJson = False) -> None:
    """Let a drained node take leases again."""
    with _failing(as_json):
        told = _ask("POST", f"/nodes/{name}/undrain")
    _say(told, as_json, f"{name} takes leases again.")


@gpus.command()
def fence(name: NodeName, yes: Yes = False, as_json: AsJson = False) -> None:
    """Declare that nothing runs on a node any more, and free its devices.

    What still runs there would share its GPU with the next holder: do it only when the
    machine is off, or you looked yourself.
    """
    if not yes:
        typer.echo(
            f"You declare that nothing runs on {name} any more. What still runs there "
            "would share its GPU with the next holder.",
            err=True,
        )
        if typer.prompt(f"Write {name} to go on", err=True) != name:
            typer.echo("Nothing was done.", err=True)
            raise typer.Exit(1)
    with _failing(as_json):
        told = _ask("POST", f"/nodes/{name}/fence", {"confirm": name})
    _say(told, as_json, f"{name} is fenced: its devices are free.")


@gpus.command()
def release(
    lease: Annotated[
        str, typer.Argument(help="A lease, or a holder such as lab:ada/.")
    ],
    reason: Annotated[str, typer.Option(help="What its user is told.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop a holder properly; its devices are free once that is proven."""
    with _failing(as_json):
        id_ = _lease(lease)
        told = _ask("POST", f"/leases/{id_}/end", {"reason": reason})
    _say(told, as_json, f"Lease {id_} is {told['state']}.")


def audit(as_json: AsJson = False) -> None:
    """Compare ledger, nodes, hub and ClearML; print differences, exit 1 if any."""
    with _failing(as_json):
        found = _ask("GET", "/audit")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found:
        for one in found:
            typer.echo(one)
    else:
        typer.echo("Ledger, nodes, hub and ClearML agree.")
    if found:
        raise typer.Exit(1)


@node.command("add")
def node_add(name: NodeName, as_json: AsJson = False) -> None:
    """Print a command with which a node's agent joins; good once and for a day."""
    with _failing(as_json):
        told = _ask("POST", "/join-tokens", {"node": name})
    _say(told, as_json, f"Run this on {name}:\n  {told.get('command', '')}")


@node.command("list")
def node_list(as_json: AsJson = False) -> None:
    """List the nodes' tokens and the open invitations."""
    with _failing(as_json):
        told = _ask("GET", "/join-tokens")
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for kind in ("tokens", "invitations"):
        for key in told[kind]:
            made = datetime.fromisoformat(key["made_at"])
            typer.echo(
                f"{key['id']}  {kind[:-1]:10}  {key['node']:16}  "
                f"{made:%Y-%m-%d %H:%M}  {key['by']}"
            )


@node.command("revoke")
def node_revoke(
    key: Annotated[str, typer.Argument(help="The id that `list` shows.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a token or an invitation: it ends at once."""
    with _failing(as_json):
        told = _ask("DELETE", f"/join-tokens/{key}")
    _say(told, as_json, f"{key} is revoked.")


def board_lines(state: BoardState) -> Iterator[str]:
    """Give the board as lines of text."""
    leases = {lease.id: lease for lease in state.leases}
    for trouble in state.troubles:
        yield f"! {trouble}"
    for one in state.nodes:
        yield _node_line(one)
        for device in one.devices:
            lease = leases.get(device.lease or "")
            if device.device.kind in {DeviceKind.GPU, DeviceKind.MIG} or lease:
                yield _device_line(device, lease)
    if state.line:
        yield "The line:"
    for place, ticket in enumerate(state.line, start=1):
        yield _ticket_line(place, ticket)


def _node_line(one: NodeShown) -> str:
    simulated = any(device.device.simulated for device in one.devices)
    words = [one.name, f"[{one.state.value}]", "(simulated)" if simulated else ""]
    return " ".join(filter(None, [*words, one.trouble]))


def _device_line(shown: DeviceShown, lease: LeaseShown | None) -> str:
    device = shown.device
    if lease is not None:
        until = f" until {lease.until:%d %b %H:%M} UTC" if lease.until else ""
        who = f"{lease.user} {lease.holder} [{lease.state.value}]{until}  {lease.id}"
    else:
        who = "free" if shown.free else shown.trouble or "not available"
    percent = "" if shown.gpu_percent is None else f"{shown.gpu_percent:.0f} %"
    if device.kind in {DeviceKind.GPU, DeviceKind.MIG}:
        what = f"{device.model} {device.memory_bytes / GIB:.0f} GiB"
        what += f" {device.mig_profile}" if device.mig_profile else ""
    else:
        what = f"{device.kind.value} slot"
    return f"  {device.index:>2}  {what:28}  {percent:>5}  {who}"


def _ticket_line(place: int, ticket: TicketShown) -> str:
    where = ticket.queue or "lab"
    begin = ticket.expected_from
    soon = f"from {begin:%d %b %H:%M} UTC" if begin else ""
    state = "set aside" if ticket.lease else soon
    return f"  {place:>2}  {ticket.user:16}  {ticket.wants:28}  {where:12}  {state}"


def _lease(text: str) -> str:
    if not text.startswith(("lab:", "job:")):
        return text
    for lease in _ask("GET", "/leases"):
        if lease["holder"] in {text, f"{text}/"}:
            return str(lease["id"])
    msg = f"{text} holds nothing: `waylab gpus` shows who does."
    raise CommandError(msg)


def _ask(method: str, path: str, body: object = None) -> Any:
    url, token = _operator()
    try:
        answer = httpx.request(
            method,
            f"{url}/api/v1{path}",
            json=body if body is not None else {},
            headers={"Authorization": f"token {token}"},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )
        told = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        msg = f"The board at {url} does not answer: is Waylab running? ({error})"
        raise CommandError(msg) from error
    if answer.is_error:
        raise CommandError(str(told.get("message") or f"HTTP {answer.status_code}"))
    return told


def _operator() -> tuple[str, str]:
    path = State.existing(default_root(os.environ)).secrets / OPERATOR_FILE
    try:
        known = json.loads(path.read_text("utf-8"))
        return str(known["url"]), str(known["token"])
    except FileNotFoundError as error:
        msg = f"{path} is not there: the board makes it when it starts."
        raise CommandError(msg) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read ({error}): delete it and restart the board."
        raise CommandError(msg) from error


def _say(told: object, as_json: bool, sentence: str) -> None:
    typer.echo(json.dumps(told) if as_json else sentence)


@contextmanager
def _failing(as_json: bool) -> Iterator[None]:
    """Turn an error into one sentence and exit status 1."""
    try:
        yield
    except (CommandError, SiteError, WireError) as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
