"""Bans: sources that are not asked for a game again, after wrong bytes or no progress."""

from collections.abc import Mapping

import msgspec
from blake3 import blake3

from peer_cli.network import wire

MAX_BANS = 4096  # beyond that, the oldest is forgotten


class Bans:
    """Bans by game and peer id. A ban ends when what the peer advertises changes.

    A new session alone does not end it, so each ban keeps a digest of the peer's library.
    """

    def __init__(self) -> None:
        self._bans: dict[tuple[str, str], bytes] = {}

    def add(self, game_id: str, peer_id: str, games: Mapping[str, wire.Game]) -> None:
        """Ban a peer, which now advertises `games`, as a source of a game."""
        while len(self._bans) >= MAX_BANS:
            del self._bans[next(iter(self._bans))]
        self._bans[game_id, peer_id] = _digest(games)

    def holds(self, game_id: str, peer_id: str, games: Mapping[str, wire.Game]) -> bool:
        """Tell whether a peer, which now advertises `games`, is banned for a game."""
        banned_with = self._bans.get((game_id, peer_id))
        if banned_with is None:
            return False
        if banned_with == _digest(games):
            return True
        del self._bans[game_id, peer_id]
        return False


def _digest(games: Mapping[str, wire.Game]) -> bytes:
    rows = [game for _, game in sorted(games.items())]
    return blake3(msgspec.msgpack.encode(rows)).digest()
