"""The stand-in of nvidia-container-runtime-hook: gives a container its devices.

Run by runc as `hook.py <devices> <standins> prestart` with the container's state on
stdin, before the container's root is entered. It runs as a file of its own, with the
standard library alone, as every start of a container waits for it.

The container's image is somebody else's: nothing in its root is followed out of it.
"""
# pathlib's import would make every start wait.
# ruff: noqa: PTH101, PTH115, PTH118, PTH123, PTH208

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import stat
import sys

GPUS = "run/waylab-gpus"
LIBRARY = "libnvidia-ml.so.1"
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64")
SMI = "nvidia-smi"
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_REMOUNT, _MS_BIND = 1, 2, 32, 4096
_NOTHING = ("", "void")
_libc = ctypes.CDLL(None, use_errno=True)


def main(devices: str, standins: str) -> int:
    """Mount what the container's NVIDIA_VISIBLE_DEVICES names."""
    state = json.load(sys.stdin)
    with open(os.path.join(state["bundle"], "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    wanted = visible(config["process"].get("env", []))
    if wanted in _NOTHING:
        return 0
    try:
        chosen = choose(wanted, read(devices))
    except LookupError as error:
        sys.stderr.write(
            f"nvidia-container-cli: device error: {error.args[0]}: unknown device\n"
        )
        return 1
    enter(state["pid"])
    root = os.open(config["root"]["path"], os.O_PATH | os.O_DIRECTORY)
    mount_file(root, "usr/bin", SMI, f"{standins}/{SMI}")
    for folder in LIBRARY_FOLDERS:
        if exists(root, folder):
            mount_file(root, folder, LIBRARY, f"{standins}/{LIBRARY}")
    for device in chosen:
        target = beneath(root, f"{GPUS}/{device['folder']}")
        bind(f"{devices}/{device['folder']}", target)
    make_nodes(root, chosen)
    return 0


def visible(env: list[str]) -> str:
    """Give the value that the runtime sees: the last one set."""
    value = ""
    for entry in env:
        name, _, content = entry.partition("=")
        if name == "NVIDIA_VISIBLE_DEVICES":
            value = content
    return value


def read(devices: str) -> list[dict[str, str]]:
    """Read the node's devices in NVML's order."""
    found = []
    for folder in sorted(os.listdir(devices)):
        with open(f"{devices}/{folder}/device", encoding="utf-8") as file:
            fields = dict(line.rstrip("\n").split(" ", 1) for line in file)
        found.append({**fields, "folder": folder})
    return found


def choose(wanted: str, known: list[dict[str, str]]) -> list[dict[str, str]]:
    """Give the devices that a value names; a slice brings its GPU with it."""
    if wanted == "none":
        return []
    if wanted == "all":
        return known
    by_name = {device["uuid"]: device for device in known}
    gpus = [device for device in known if "parent" not in device]
    by_name.update({str(index): gpu for index, gpu in enumerate(gpus)})
    chosen = {}
    for name in wanted.split(","):
        if name not in by_name:
            raise LookupError(name)
        device = by_name[name]
        if "parent" in device:
            parent = by_name[device["parent"]]
            chosen[parent["folder"]] = parent
        chosen[device["folder"]] = device
        if device.get("mig") == "1":
            slices = [one for one in known if one.get("parent") == device["uuid"]]
            chosen.update({one["folder"]: one for one in slices})
    return list(chosen.values())


def enter(pid: int) -> None:
    """Enter the mount namespace of the container to be."""
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    check(_libc.setns(namespace, _CLONE_NEWNS), "setns")
    os.close(namespace)


def beneath(root: int, path: str) -> int:
    """Open a folder below the root, making it; no link on the way is followed."""
    here = os.dup(root)
    for part in path.split("/"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o755, dir_fd=here)
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
        below = os.open(part, flags, dir_fd=here)
        os.close(here)
        here = below
    return here


def exists(root: int, path: str) -> bool:
    """Tell whether there is such a folder below the root, with no link on the way."""
    here = os.dup(root)
    try:
        for part in path.split("/"):
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
            below = os.open(part, flags, dir_fd=here)
            os.close(here)
            here = below
    except OSError:
        return False
    finally:
        os.close(here)
    return True


def mount_file(root: int, folder: str, name: str, source: str) -> None:
    """Mount a file read-only into a folder below the root."""
    place = beneath(root, folder)
    with contextlib.suppress(FileExistsError):
        made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755, dir_fd=place)
        os.close(made)
    target = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=place)
    if stat.S_ISLNK(os.fstat(target).st_mode):
        msg = f"{folder}/{name} is a link: the image cannot be given {name}"
        raise OSError(msg)
    bind(source, target)


def bind(source: str, target: int) -> None:
    """Bind a path read-only over an opened one."""
    onto = f"/proc/self/fd/{target}".encode()
    flags = _MS_BIND | _MS_RDONLY | _MS_NOSUID
    check(_libc.mount(source.encode(), onto, None, _MS_BIND, None), f"mount {source}")
    # The opened path is the place below the mount; its name leads to the mount itself.
    above = os.readlink(onto)
    check(
        _libc.mount(None, above, None, flags | _MS_REMOUNT, None), f"remount {source}"
    )


def make_nodes(root: int, chosen: list[dict[str, str]]) -> None:
    """Make device nodes as the driver has them; they are /dev/null by another name."""
    dev = beneath(root, "dev")
    names = [f"nvidia{one['minor']}" for one in chosen if "parent" not in one]
    for name in ("nvidiactl", "nvidia-uvm", *names):
        try:
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(1, 3), dir_fd=dev)
        except FileExistsError:
            continue
        os.chmod(f"/proc/self/fd/{dev}/{name}", 0o666)  # noqa: S103 - as the driver.


def check(result: int, what: str) -> None:
    """Raise the system's error for a call that failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
