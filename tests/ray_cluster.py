"""A Ray cluster of the tests' own, whose nodes are all on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self


class Cluster:
    """Context manager for a cluster; each node has one CPU."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ray-"))  # sockets need short paths
        self._nodes = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> Self:
        self.start("--head", f"--port={self.address.rpartition(':')[2]}", "--include-dashboard=false")
        return self

    def __exit__(self, *_error: object) -> None:
        for node in range(self._nodes):
            self.kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self) -> int:
        """Start another node, and return its number."""
        self.start(f"--address={self.address}")
        return self._nodes - 1

    def start(self, *arguments: str) -> None:
        own = (
            "--num-cpus=1",
            "--num-gpus=0",
            "--node-ip-address=127.0.0.1",
            f"--temp-dir={self._folder / str(self._nodes)}",
        )
        subprocess.run(
            [Path(sys.executable).with_name("ray"), "start", "--disable-usage-stats", *own, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            timeout=120,
        )
        self._nodes += 1

    def kill(self, node: int) -> None:
        """Kill all processes of a node, as if its machine lost power."""
        for pid in _processes(f"{self._folder / str(node)}/"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes(argument: str) -> set[int]:
    """Return processes with the text in their command line, and the processes that they have started."""
    commands: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            commands[int(path.name)] = parent, (path / "cmdline").read_text(encoding="utf-8", errors="replace")
    found = {pid for pid, (_, command) in commands.items() if argument in command}
    while more := {pid for pid, (parent, _) in commands.items() if parent in found} - found:
        found |= more
    return found
