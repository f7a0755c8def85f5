"""Whatever stands in the way of a start is one clear line and exit code 2."""

import errno
import os
import resource
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from network.identity import KEY_FILE, load_or_create
from tests.peer_cli.peer_process import TIMEOUT_S, Place, command_line, make_place, run_peer

Flags = dict[str, object]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def missing_catalog(place: Place) -> Flags:
    place.catalog.unlink()
    return {}


def catalog_of_garbage(place: Place) -> Flags:
    place.catalog.write_bytes(b"no database\n" * 1000)
    return {}


def catalog_is_a_folder(place: Place) -> Flags:
    return {"--catalog-db": place.games_dir}


def missing_games(place: Place) -> Flags:
    place.games_dir.rmdir()
    return {}


def games_are_a_file(place: Place) -> Flags:
    return {"--games-dir": place.catalog}


def games_cannot_be_written(place: Place) -> Flags:
    place.games_dir.chmod(0o500)
    return {}


def games_cannot_be_seen(place: Place) -> Flags:
    hidden = place.folder / "hidden"
    hidden.mkdir(mode=0)
    return {"--games-dir": hidden / "games"}


def games_in_a_circle(place: Place) -> Flags:
    circle = place.folder / "circle"
    circle.symlink_to(circle)
    return {"--games-dir": circle}


def state_cannot_be_written(place: Place) -> Flags:
    place.state_dir.mkdir()
    load_or_create(place.state_dir)
    place.state_dir.chmod(0o500)
    return {}


def state_below_a_file(place: Place) -> Flags:
    return {"--state-dir": place.catalog / "state"}


def identity_is_damaged(place: Place) -> Flags:
    place.state_dir.mkdir()
    (place.state_dir / KEY_FILE).write_text("damaged")
    return {}


def identity_with_a_tail_of_garbage(place: Place) -> Flags:
    place.state_dir.mkdir()
    load_or_create(place.state_dir)
    with (place.state_dir / KEY_FILE).open("ab") as file:
        file.write(b"\xff\xfe")
    return {}


def missing_swarm_key(place: Place) -> Flags:
    return {"--swarm-key": place.folder / "key"}


def blank_swarm_key(place: Place) -> Flags:
    (place.folder / "key").write_text(" \n")
    return {"--swarm-key": place.folder / "key"}


def swarm_key_is_a_password(place: Place) -> Flags:
    (place.folder / "key").write_bytes(b"lan-party-2024\n")
    return {"--swarm-key": place.folder / "key"}


def foreign_address(place: Place) -> Flags:
    return {"--listen": "192.0.2.1:4000"}  # TEST-NET-1: no machine has it


def fixture_in_the_way_of_a_file(place: Place) -> Flags:
    (place.games_dir / "ggoo").write_text("in the way")
    return {"--fixture": "ggoo"}


@pytest.mark.parametrize(
    ("arrange", "text"),
    [
        (missing_catalog, "Cannot read the catalog"),
        (catalog_of_garbage, "is not an SQLite file"),
        (catalog_is_a_folder, "Is a directory"),
        (missing_games, "is not a folder"),
        (games_are_a_file, "is not a folder"),
        (games_cannot_be_written, "cannot be used: Permission denied"),
        (games_cannot_be_seen, "cannot be used: Permission denied"),
        (games_in_a_circle, "cannot be used: Too many levels of symbolic links"),
        (state_cannot_be_written, "cannot be used: Permission denied"),
        (state_below_a_file, "Cannot make the state folder"),
        (identity_is_damaged, "is damaged"),
        (identity_with_a_tail_of_garbage, "is damaged"),
        (missing_swarm_key, "Cannot read the swarm key"),
        (blank_swarm_key, "make one with: peer-cli swarm-key > FILE"),
        (swarm_key_is_a_password, "make one with: peer-cli swarm-key > FILE"),
        (foreign_address, "Cannot listen on 192.0.2.1:4000"),
        (fixture_in_the_way_of_a_file, "Cannot seed the game ggoo"),
    ],
)
def test_what_prevents_a_start_is_one_line_and_exit_2(
    place: Place, arrange: Callable[[Place], Flags], text: str
) -> None:
    ended = run_peer(place.flags(arrange(place)))
    err = ended.stderr.decode()
    assert (ended.returncode, err.count("\n")) == (2, 1), err
    assert err.startswith("peer-cli: ")
    assert text in err
    assert ended.stdout == b""


def test_a_restart_on_a_read_only_state_disk_is_one_line_and_exit_2(place: Place) -> None:
    place.state_dir.mkdir()
    load_or_create(place.state_dir)
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        words = [*own_mounts, str(place.state_dir), *command]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=TIMEOUT_S, input="", check=False
        )

    if run("true").returncode:
        pytest.skip("no mounts of one's own here")
    ended = run(*command_line(place.flags()))
    text = f"The state folder {place.state_dir} cannot be used: {os.strerror(errno.EROFS)}."
    assert ended.stderr == f"peer-cli: {text}\n"
    assert (ended.returncode, ended.stdout) == (2, "")


def test_the_limit_of_open_files_is_raised_as_far_as_the_system_allows(place: Place) -> None:
    """The usual soft limit is for programs that have few connections."""
    few = ["prlimit", "--nofile=128:777"]
    with subprocess.Popen(
        [*few, *command_line(place.flags())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as peer:
        assert peer.stdout
        assert b"local-peer-ready" in peer.stdout.readline()
        assert resource.prlimit(peer.pid, resource.RLIMIT_NOFILE) == (777, 777)
        peer.communicate(timeout=TIMEOUT_S)


def test_a_port_in_use_is_one_line_and_exit_2(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run_peer(place.flags({"--listen": address}))
    in_use = os.strerror(errno.EADDRINUSE)
    assert ended.returncode == 2
    assert ended.stderr.decode() == f"peer-cli: Cannot listen on {address}: {in_use}.\n"


def test_a_bad_flag_is_one_line_and_exit_2(place: Place) -> None:
    ended = run_peer(place.flags({"--stall-timeout": "soon"}))
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"peer-cli: argument --stall-timeout: ")
    assert ended.stderr.count(b"\n") == 1


def test_the_schema_takes_no_arguments() -> None:
    ended = run_peer(["schema", "extra"])
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr == b"peer-cli: schema takes no arguments\n"


def test_a_swarm_key_is_made_and_taken(place: Place) -> None:
    made = run_peer(["swarm-key"])
    assert (made.returncode, made.stderr) == (0, b"")
    (place.folder / "key").write_bytes(made.stdout)
    ended = run_peer(place.flags({"--swarm-key": place.folder / "key"}))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert run_peer(["swarm-key", "extra"]).returncode == 2
