"""A PostgreSQL server of the tests' own, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

USER = "playground"


class Server:
    """A server whose data is in a folder, with one user, who has a password."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self.password = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(self.password, encoding="utf-8")
        if os.geteuid() == 0:
            os.chown(secret, _account().pw_uid, _account().pw_gid)
        data = str(folder / "data")
        # Not in the environment, which a fork server that other tests have started does not have.
        self._passwords = folder / "pgpass"
        self._passwords.write_text(f"*:*:*:{USER}:{self.password}", encoding="utf-8")
        self._passwords.chmod(0o600)
        user = ["--username", USER, "--auth", "scram-sha-256", "--pwfile", str(secret)]
        self._run("initdb", "--no-sync", "--pgdata", data, "--encoding", "UTF8", "--locale", "C", *user)

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/postgres?passfile={self._passwords}"

    def start(self) -> None:
        settings = "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self._port}", "fsync=off"
        options = " ".join(f"-c {setting}" for setting in settings)
        self._control("start", "--log", str(self._folder / "log"), "--options", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop it: ``fast`` rolls transactions back, ``immediate`` is a crash."""
        self._control("stop", "--mode", mode)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--wait", "--silent", "--pgdata", str(self._folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses to run as root.
        identity = {"user": _account().pw_uid, "group": _account().pw_gid} if os.geteuid() == 0 else {}
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            timeout=60,
            **identity,  # type: ignore[call-overload]  # both are numbers
        )


def _account() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    # Debian keeps them out of the path, in a folder per version.
    return next((path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


@contextlib.contextmanager
def running_server() -> Generator[Server]:
    """A server that has been started; the test is skipped where there is none."""
    programs = _programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's server: apt-get install postgresql")
    # Not below pytest's folders, which other accounts cannot enter.
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _account().pw_uid, _account().pw_gid)
        server = Server(programs, folder)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
                server.stop("immediate")
    finally:
        shutil.rmtree(folder)
