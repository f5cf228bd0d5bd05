"""The steps of set-up: what each is made from, and what it runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waylab_install import indexes, node
from waylab_install.layout import Layout
from waylab_install.runner import Runner
from waylab_install.stamps import digest

Command = list[Path | str]

_SOURCE_ROOTS = (
    "hub/waylab_hub",
    "hub/waylab_site",
    "hub/waylab_tracking",
    "spawner",
    "extensions/clearml",
    "extensions/runner",
)


# What would lead Python and pip away from the environment that is being made.
_MISLEADING = {
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONPATH",
}


@dataclass(frozen=True)
class Step:
    """One step. It is done when its key is kept and its products are there."""

    name: str
    title: str
    key: str
    products: tuple[Path, ...]
    work: Callable[[Runner], None]


class Installation:
    """The steps for one clone, one profile and one Python."""

    def __init__(
        self,
        layout: Layout,
        *,
        profile: str,
        python: Path,
        node_home: str,
        env: Mapping[str, str],
    ) -> None:
        """Describe only; nothing is run before a step's `work`."""
        self._layout = layout
        self._profile = profile
        self._python = python
        self._node_home = node_home
        self._env = {name: v for name, v in env.items() if name not in _MISLEADING}
        self._cached_env: dict[str, str] = {}

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in order; each key contains those it depends on."""
        at = self._layout
        venv = digest([str(self._python)])
        uv = digest([venv, at.install / "uv.txt"])
        locks = [at.lock(self._profile), *self._node_locks()]
        packages = digest([uv, self._node_home, *locks])
        proxy = digest(
            [self._node_home, at.proxy / "package.json", at.proxy / "package-lock.json"]
        )
        waylab = digest([packages, at.root / "pyproject.toml"])
        lab_packages = digest(
            [self._node_home]
            + [at.lab / name for name in ("package.json", "yarn.lock", ".yarnrc.yml")]
        )
        lab_build = digest([lab_packages, at.lab, at.ui])
        lab = digest([waylab, lab_build])
        web = digest([lab_packages, at.lab / "web.build.js", at.ui])
        built = at.lab / "waylab_lab" / "labextension" / "package.json"
        return (
            Step("venv", "Making .venv", venv, (at.python,), self._make_venv),
            Step("uv", "Installing uv", uv, (at.bin / "uv",), self._install_uv),
            Step(
                "packages",
                "Installing Python packages",
                packages,
                (at.bin / "jupyterhub",),
                self._install_packages,
            ),
            Step(
                "proxy",
                "Installing the proxy",
                proxy,
                (at.proxy / "node_modules", at.bin / "configurable-http-proxy"),
                self._install_proxy,
            ),
            Step(
                "waylab",
                "Installing Waylab",
                waylab,
                (at.bin / "waylab",),
                self._install_waylab,
            ),
            Step(
                "lab-packages",
                "Fetching what the lab extension is built with",
                lab_packages,
                (at.lab / "node_modules",),
                self._fetch_lab_packages,
            ),
            Step(
                "lab-build",
                "Building the lab extension",
                lab_build,
                (built,),
                self._build_lab,
            ),
            Step("lab", "Installing the lab extension", lab, (), self._install_lab),
            Step(
                "web-build",
                "Building the pages of runs",
                web,
                (at.web / "manifest.json",),
                self._build_web,
            ),
        )

    def _node_locks(self) -> list[Path]:
        return (
            [self._layout.install / "node.txt"] if self._node_home == node.WHEEL else []
        )

    def _make_venv(self, runner: Runner) -> None:
        at = self._layout
        for old in at.venv.iterdir():
            if old == at.records:
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink()
        runner.run([self._python, "-m", "venv", at.venv], cwd=at.root, env=self._env)

    def _install_uv(self, runner: Runner) -> None:
        at = self._layout
        options: Command = ["--disable-pip-version-check", "--no-input", "--retries=2"]
        hashed = ["--require-hashes", "--only-binary=:all:", "-r"]
        runner.run(
            [
                at.python,
                "-m",
                "pip",
                "install",
                *options,
                *hashed,
                at.install / "uv.txt",
            ],
            cwd=at.root,
            env=self._env,
        )

    def _install_packages(self, runner: Runner) -> None:
        at = self._layout
        locks = [at.install / "uv.txt", at.lock(self._profile), *self._node_locks()]
        # Wheels only: nothing is compiled, and no code of a package runs, here.
        # Bytecode too: labs run under accounts that cannot write it.
        options: Command = ["--require-hashes", "--only-binary=:all:"]
        self._uv(runner, ["sync", *options, "--compile-bytecode", *locks])
        if self._node_home == node.WHEEL:
            node.link_wheel(at.bin)

    def _install_proxy(self, runner: Runner) -> None:
        at = self._layout
        options: Command = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
        runner.run(["npm", "ci", *options], cwd=at.proxy, env=self._tool_env())
        node.link_proxy(at.bin, at.proxy, self._node_home)

    def _install_waylab(self, runner: Runner) -> None:
        at = self._layout
        self._install_editable(runner, at.root)
        self._compile(runner, [at.root / name for name in _SOURCE_ROOTS])

    def _fetch_lab_packages(self, runner: Runner) -> None:
        argv: Command = [self._layout.bin / "jlpm", "install", "--immutable"]
        runner.run(argv, cwd=self._layout.lab, env=self._tool_env())

    def _build_lab(self, runner: Runner) -> None:
        argv: Command = [self._layout.bin / "jlpm", "build:prod"]
        runner.run(argv, cwd=self._layout.lab, env=self._tool_env())

    def _build_web(self, runner: Runner) -> None:
        argv: Command = [self._layout.bin / "jlpm", "build:web"]
        runner.run(argv, cwd=self._layout.lab, env=self._tool_env())

    def _install_lab(self, runner: Runner) -> None:
        self._install_editable(runner, self._layout.lab)
        self._compile(runner, [self._layout.lab / "waylab_lab"])

    def _install_editable(self, runner: Runner, folder: Path) -> None:
        # Built with the locked tools: isolation would fetch unlocked ones.
        # Reinstalled: uv would take a change of the built files for none.
        options: Command = ["--no-deps", "--no-build-isolation", "--reinstall"]
        self._uv(runner, ["install", *options, "--editable", folder])

    def _compile(self, runner: Runner, folders: Sequence[Path]) -> None:
        """Write bytecode beside our sources, which labs' accounts cannot do."""
        at = self._layout
        argv: Command = [at.python, "-m", "compileall", "-q", *folders]
        runner.run(argv, cwd=at.root, env=self._env)

    def _uv(self, runner: Runner, arguments: Sequence[Path | str]) -> None:
        at = self._layout
        argv: Command = [at.bin / "uv", "pip", *arguments]
        runner.run(argv, cwd=at.root, env=self._tool_env())

    def _tool_env(self) -> dict[str, str]:
        """Return the environment for uv, npm and Yarn, made once."""
        if self._cached_env:
            return self._cached_env
        at = self._layout
        env = {**self._env, "VIRTUAL_ENV": str(at.venv), "SKIP_JUPYTER_BUILDER": "1"}
        env["PATH"] = f"{at.bin}:{self._env.get('PATH', '')}"
        pip = indexes.parse_pip_config(
            _answer([str(at.python), "-m", "pip", "config", "list"], env)
        )
        env |= indexes.uv_environment(pip, env)
        registry = _answer(["npm", "config", "get", "registry"], env).strip()
        if registry:
            env |= indexes.node_environment(registry, env)
            self._cached_env = env
        return env


def _answer(argv: list[str], env: Mapping[str, str]) -> str:
    try:
        return subprocess.run(
            [shutil.which(argv[0], path=env["PATH"]) or argv[0], *argv[1:]],
            capture_output=True,
            check=True,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
