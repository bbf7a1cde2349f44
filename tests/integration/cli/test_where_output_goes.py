"""Where output goes: a terminal that is narrow, a pipe, a reader that has seen enough, a disk that is full; Ctrl-C."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

PARTNER = "A partner whose name is long"
ORG = "41e2a389-fd3e-5b1c-b6ba-53ba7d840c96"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cdrelay", *words]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a home with a partner that has an organization."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CDRELAY_", "COLUMNS"))}
    own |= {"CDRELAY_HOME": str(tmp_path / "home"), "NO_COLOR": "1", "TERM": "dumb"}
    for words in (("partner", "add", PARTNER), ("organization", "add", ORG, "--partner", PARTNER)):
        subprocess.run(command("publisher", *words), env=own, check=True, capture_output=True, timeout=60)
    return own


def in_terminal(words: Sequence[str], environment: dict[str, str]) -> str:
    """What a command prints in a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(*words), env=environment | {"COLUMNS": "80"}, stdout=theirs, stderr=theirs):
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # how Linux says that nobody writes any more
            while piece := os.read(ours, 65536):
                printed += piece
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def test_a_table_that_is_too_wide_is_a_block_of_lines_in_a_terminal(environment: dict[str, str]) -> None:
    relations = in_terminal(("publisher", "relation", "list"), environment)
    assert f"org uuid    {ORG}\n" in relations  # whole, to be copied
    assert f"partner     {PARTNER}\n" in relations
    assert "ends at" not in relations  # it has none
    assert "┃ name" in in_terminal(("publisher", "partner", "list"), environment)


def test_a_row_is_one_line_in_a_pipe(environment: dict[str, str]) -> None:
    words = command("publisher", "relation", "list")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert [line for line in done.stdout.splitlines() if ORG in line and PARTNER in line]


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("words", [("publisher", "partner", "list"), ("publisher", "partner", "list", "--json")])
def test_a_full_disk_is_told_in_a_line(words: tuple[str, ...], buffered: str, environment: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        own = environment | {"PYTHONUNBUFFERED": buffered}
        done = subprocess.run(
            command(*words), env=own, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: No space left on device: the output could not be written\n"


def test_who_has_seen_enough_is_told_nothing(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        command("traffic", "--records", "100000"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """By what is started, as in a terminal: a shell has what it runs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_ends_a_command_without_a_traceback(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        words = command("traffic", "--to", address, "--key", "k", "--flat", "--rate", "1000")
        process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        with process, server.accept()[0]:  # which answers nothing
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
