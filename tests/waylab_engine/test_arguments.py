import pytest

from waylab_engine.arguments import Options, Ulimit, parse
from waylab_engine.errors import ArgumentsRefused

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", Options()),
        ("  \n ", Options()),
        ("--shm-size=8g", Options(shm_bytes=8 * GIB)),
        ("--shm-size 512m", Options(shm_bytes=GIB // 2)),
        ("-m 4g --cpus=1.5", Options(cpus=1.5, memory_bytes=4 * GIB)),
        ("-m4G", Options(memory_bytes=4 * GIB)),
        ("--memory=1.5GiB", Options(memory_bytes=3 * GIB // 2)),
        ("-e A=1 --env B=2", Options(environment=(("A", "1"), ("B", "2")))),
        ("-eA=1", Options(environment=(("A", "1"),))),
        ("-e 'A=x y=z'", Options(environment=(("A", "x y=z"),))),
        ("-e A=1 -e A=2", Options(environment=(("A", "2"),))),
        ("-e A=", Options(environment=(("A", ""),))),
        ("--ipc=private", Options()),
        ("--ulimit memlock=-1", Options(ulimits=(Ulimit("memlock", -1, -1),))),
        ("--ulimit stack=1:2", Options(ulimits=(Ulimit("stack", 1, 2),))),
    ],
)
def test_allowed_options_become_values(text: str, options: Options) -> None:
    assert parse(text) == options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--privileged", ["--privileged", "without privileges"]),
        ("-v /:/host", ["-v", "shares"]),
        ("-v/:/host", ["-v", "shares"]),
        ("--volume=/:/host", ["--volume", "shares"]),
        ("--mount type=bind,src=/,dst=/host", ["--mount"]),
        ("--gpus all", ["--gpus", "lease"]),
        ("--runtime=nvidia", ["--runtime", "lease"]),
        ("--network host", ["--network"]),
        ("--net=host", ["--net"]),
        ("--pid=host", ["--pid"]),
        ("--cap-add=SYS_ADMIN", ["--cap-add"]),
        ("--security-opt seccomp=unconfined", ["--security-opt"]),
        ("--user 0", ["--user"]),
        ("-u0", ["-u"]),
        ("--entrypoint sh", ["--entrypoint"]),
        ("--env-file /etc/shadow", ["--env-file", "-e NAME=VALUE"]),
        ("-it", ["-i"]),
        ("--", ["--"]),
        ("-", ["-"]),
        ("ubuntu:latest sh", ["ubuntu:latest", "no option"]),
        ("--cpus=1 evil", ["evil"]),
        ("--ipc=host", ["--ipc=host", "--shm-size"]),
        ("--ulimit nofile=1", ["--ulimit", "memlock"]),
        ("--ulimit stack=-1:5", ["--ulimit"]),
        ("--cpus=-1", ["--cpus", "-1"]),
        ("--cpus=0", ["--cpus"]),
        ("--cpus=nan", ["--cpus"]),
        ("-m lots", ["-m", "lots", "8g"]),
        ("-m 0", ["-m"]),
        ("-m 1.5", ["-m", "1.5", "at least 16 MiB"]),
        ("--shm-size 64", ["--shm-size", "at least 1 MiB"]),
        ("--shm-size", ["--shm-size", "no value"]),
        ("-e A", ["-e", "NAME=VALUE"]),
        ("-e =1", ["-e", "NAME=VALUE"]),
        ("-e 'A B=1'", ["NAME=VALUE"]),
        ("-e NVIDIA_VISIBLE_DEVICES=all", ["NVIDIA_VISIBLE_DEVICES", "itself"]),
        ("-e nvidia_visible_devices=all", ["nvidia_visible_devices"]),
        ("-e CUDA_VISIBLE_DEVICES=0", ["CUDA_VISIBLE_DEVICES"]),
        ("-e CLEARML_API_HOST=http://evil", ["CLEARML_API_HOST"]),
        ("-e JUPYTERHUB_API_TOKEN=x", ["JUPYTERHUB_API_TOKEN"]),
        ("-e 'A=1", ["cut off"]),
        ("-e A=1\0", ["plain text"]),
        ("x" * 9000, ["9000 characters"]),
        (" ".join(f"-e A{i}=1" for i in range(101)), ["101 variables"]),
    ],
)
def test_everything_else_is_refused_by_name(text: str, words: list[str]) -> None:
    with pytest.raises(ArgumentsRefused) as refusal:
        parse(text)

    assert [word for word in words if word not in str(refusal.value)] == []
