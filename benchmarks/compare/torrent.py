"""Seeds or fetches one file with libtorrent, set up as its manual advises for fast local transfers.

    python3 torrent.py seed IP PORT FILE TORRENT
    python3 torrent.py fetch IP PORT FOLDER TORRENT SEED-IP SEED-PORT

https://libtorrent.org/tuning-ref.html: high_performance_seed, no encryption, no rate limits on
local peers, no discovery. Needs Debian's python3-libtorrent.
"""

import json
import resource
import sys
import time
from pathlib import Path

import libtorrent


def session(ip: str, port: str, *, seeds: bool) -> "libtorrent.session":
    """Return a session that listens at an address."""
    settings = libtorrent.high_performance_seed() if seeds else libtorrent.default_settings()
    settings |= {
        "listen_interfaces": f"{ip}:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "out_enc_policy": 2,
        "in_enc_policy": 2,
        "enable_outgoing_utp": False,
        "enable_incoming_utp": False,
        "max_out_request_queue": 1500,
        "alert_mask": libtorrent.alert.category_t.status_notification,
    }
    return libtorrent.session(settings)


def torrent_of(path: str, target: str) -> None:
    """Write the torrent of a file."""
    storage = libtorrent.file_storage()
    storage.add_file(Path(path).name, Path(path).stat().st_size)
    made = libtorrent.create_torrent(storage, 4 << 20)
    libtorrent.set_piece_hashes(made, str(Path(path).parent))
    Path(target).write_bytes(libtorrent.bencode(made.generate()))


def seed(ip: str, port: str, path: str, torrent: str) -> None:
    """Seed the file for ever."""
    torrent_of(path, torrent)
    seeding = session(ip, port, seeds=True)
    seeding.add_torrent(
        {
            "ti": libtorrent.torrent_info(torrent),
            "save_path": str(Path(path).parent),
            "flags": libtorrent.torrent_flags.seed_mode,
        }
    )
    sys.stdin.read()


def fetch(ip: str, port: str, folder: str, torrent: str, seed_ip: str, seed_port: str) -> None:
    """Fetch the file; print the figures."""
    fetching = session(ip, port, seeds=False)
    began, used = time.monotonic(), time.process_time()
    handle = fetching.add_torrent({"ti": libtorrent.torrent_info(torrent), "save_path": folder})
    handle.connect_peer((seed_ip, int(seed_port)))
    while not handle.status().is_seeding:
        fetching.wait_for_alert(50)
        fetching.pop_alerts()
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu_s": time.process_time() - used,
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
            }
        )
    )


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "seed":
        seed(*rest)
    else:
        fetch(*rest)
