"""Mutants that do not carry a stream's bytes as TCP would."""

from scenarios.audit.mutant import Edit, Mutant
from scenarios.families.tunnel.tunnel import FROM_CLIENT, FROM_SERVER

_LARGE = ("T23", "T24", "T25", "T26", "T28", "T29", "T30", "T31")
_PING_PONG = ("T32", "T33", "T34", "T35", "T37", "T38", "T39", "T40")
_MANY = ("T41", "T42", "T44", "T45", "T46", "T53", "T54", "T55", "T56", "T57", "T58")


def _echo(what: str) -> tuple[str, ...]:
    return (f"{what}: bytes", f"{what}: SHA-256", f"{what}: end")


def echoed(*tunnels: str) -> tuple[str, ...]:
    """Return the checks of an exchange through each of these tunnels."""
    return tuple(check for name in tunnels for check in _echo(f"through {name}"))


def foreign(*checks: str) -> tuple[str, ...]:
    """Return these checks of both clients that are not ours."""
    return tuple(f"{who}: {check}" for who in ("foreign", "websockets") for check in checks)


MUTANTS = (
    Mutant(
        name="cuts-streams-off",
        breaks="Resets a stream that has carried more than 900 bytes in one direction.",
        edits=(
            Edit(
                "link.py",
                old="            self._owner.first_data(self, stream)",
                new="            self._owner.first_data(self, stream)\n"
                "        if stream.bytes_in > 900:\n"
                "            stream.end(End.RESET)",
            ),
        ),
        noticed_by={
            "T1": echoed(FROM_SERVER[0]),
            "T2": echoed(FROM_CLIENT[0]),
            "T3": echoed(FROM_SERVER[0], FROM_CLIENT[0]),
            "T4": ("SHA-256 of each",),
            "T6": echoed(FROM_SERVER[0]),
            "T7": echoed(FROM_CLIENT[0]),
            "T8": echoed(FROM_SERVER[0], FROM_CLIENT[0]),
            "T9": ("SHA-256 of each",),
            **dict.fromkeys(("T11", "T12", "T13", "T14"), ("messages echoed", "its end")),
            **dict.fromkeys(_LARGE, ("bytes", "SHA-256", "end")),
            "T27": ("SHA-256",),
            **dict.fromkeys(_PING_PONG, ("messages echoed", "messages in one read")),
            "T36": ("messages in one read",),
            **dict.fromkeys(_MANY, ("streams that were right",)),
            "T43": ("cycles that were right",),
            "T47": ("cycles that were right",),
            "T60": tuple(
                f"{name}: {what}"
                for name in (FROM_SERVER[0], FROM_CLIENT[0])
                for what in ("bytes", "end")
            ),
            "T62": (
                "SHA-256 of the others",
                "bytes that wait at the client",
                "streams that are open",
            ),
            "T64": (*_echo("from client 1"), *_echo("from client 2")),
            "T68": _echo("through the server"),
            "T70": _echo("with the token"),
            "T71": _echo("through client 1"),
            "T73": foreign("what the echo sent", "how the echo ended"),
            "T72": _echo("a new one afterwards"),
            "T75": _echo("the one behind them"),
            "T77": ("what went well", *_echo("afterwards")),
            "T78": (
                *echoed(*FROM_SERVER, *FROM_CLIENT),
                *_echo("through the standby"),
                *_echo("afterwards"),
            ),
            "T79": ("messages on a stream beside them", *_echo("afterwards")),
            "T82": ("messages meanwhile",),
        },
    ),
    Mutant(
        name="drops-a-last-byte",
        breaks="Loses the last byte of what comes in large pieces.",
        edits=(
            Edit(
                "link.py",
                old="        if not stream.on_data(frame.payload):",
                new="        payload = frame.payload\n"
                "        if not stream.on_data(payload[:-1] if len(payload) > 9000 else payload):",
            ),
        ),
        noticed_by={
            "T1": echoed(FROM_SERVER[0])[:2],
            "T4": ("SHA-256 of each",),
            "T62": ("SHA-256 at the reader", "how it ended, and after how much"),
        },
    ),
    Mutant(
        name="hands-first-data-on-twice",
        breaks="Gives a program the first data of each stream twice.",
        edits=(
            Edit(
                "link.py",
                old="            self._owner.first_data(self, stream)",
                new="            stream.on_data(frame.payload)\n"
                "            self._owner.first_data(self, stream)",
            ),
        ),
        noticed_by={
            "T11": ("messages echoed",),
            "T80": ("bytes of triggers at the target",),
        },
    ),
    Mutant(
        name="adds-a-byte-to-what-was-sent",
        breaks="Hands on one byte more before the end that a program has sent.",
        edits=(
            Edit(
                "stream.py",
                old="        self._fin_received = True\n",
                new="        self._fin_received = True\n"
                '        self._waiting.append(memoryview(b"?"))\n',
            ),
        ),
        noticed_by={
            **dict.fromkeys(("T11", "T12", "T13", "T14"), ("bytes behind the last message",)),
            "T73": foreign("what the dialler read"),
        },
    ),
    Mutant(
        name="ends-old-streams-late",
        breaks="Ends the streams of the old active client two seconds late, and by a reset.",
        edits=(
            Edit(
                "server.py",
                old="            link.end_streams(End.FAILOVER)",
                new="            self._loop.call_later(2, link.end_streams, End.RESET)",
            ),
        ),
        noticed_by={
            "T48": ("how it ended", "seconds until it ended"),
            "T49": ("how it ended for the reader", "seconds until it ended"),
        },
    ),
    Mutant(
        name="adds-a-byte-at-the-end",
        breaks="Sends one byte more to programs whose streams a failover ends.",
        edits=(
            Edit(
                "stream.py",
                old="                Farewell(connection, self._waiting)",
                new='                self._waiting.append(memoryview(b"?"))\n'
                "                Farewell(connection, self._waiting)",
            ),
        ),
        noticed_by={
            "T48": ("bytes after the failover",),
            "T49": ("SHA-256 of what was read", "SHA-256 of what the target got"),
        },
    ),
    Mutant(
        name="waits-for-ever-at-a-failover",
        breaks="Goes on reading from programs whose streams a failover ended, until they close.",
        edits=(
            Edit(
                "stream.py",
                old="            self._wait(LINGER_S)",
                new="            self._deadline.cancel()",
            ),
        ),
        noticed_by={"T49": ("tcp: reply to pour",)},
        hurry=0.3,
    ),
    Mutant(
        name="ends-all-streams-at-a-failover",
        breaks="Ends the streams of the newly active client too.",
        edits=(
            Edit(
                "server.py",
                old="            link.end_streams(End.FAILOVER)",
                new="            for other in self._links.values():\n"
                "                other.end_streams(End.RESET)",
            ),
        ),
        noticed_by={"T50": ("messages echoed", "its end")},
    ),
    Mutant(
        name="takes-a-half-close-for-an-end",
        breaks="Ends both directions when a program has ended one.",
        edits=(
            Edit(
                "stream.py",
                old="        self._fin_received = True\n        self._flush()",
                new="        self._fin_received = True\n        self.end(End.RESET)",
            ),
        ),
        noticed_by={
            "T59": tuple(
                f"{name}: {what}"
                for name in (FROM_SERVER[0], FROM_CLIENT[0])
                for what in ("bytes of the answer", "its end")
            )
        },
    ),
    Mutant(
        name="refuses-late-and-orderly",
        breaks="Tells of a target that cannot be reached late, as if the stream had just ended.",
        edits=(
            Edit(
                "endpoint.py",
                old="            stream.end(End.REFUSED)",
                new="            await asyncio.sleep(1.5)\n            stream.end(End.FAILOVER)",
            ),
        ),
        noticed_by={
            "T61": tuple(
                f"{name}: {what}"
                for name in (FROM_SERVER[0], FROM_CLIENT[0])
                for what in ("how it ended", "seconds", "reason")
            )
        },
    ),
    Mutant(
        name="takes-a-refusal-for-the-end-of-all",
        breaks="Closes its listeners when a target refuses a connection.",
        edits=(
            Edit(
                "endpoint.py",
                old="        link = self._streams.pop(stream)\n",
                new="        link = self._streams.pop(stream)\n"
                '        if reason == "refused" and stream.tunnel not in self._targets:\n'
                "            self.close_listeners(None)\n",
            ),
        ),
        noticed_by={
            "T61": tuple(
                f"{name}: the listener afterwards" for name in (FROM_SERVER[0], FROM_CLIENT[0])
            )
        },
    ),
    Mutant(
        name="heeds-no-window",
        breaks="Lets one stream have as much under way as the memory of all allows.",
        edits=(Edit("credit.py", old="self.window - self.outstanding, ", new=""),),
        noticed_by={"T62": ("bytes that wait at the client",)},
    ),
    Mutant(
        name="lets-bulk-queue",
        breaks="Hands the system as much of a large stream as it takes, ahead of small ones.",
        edits=(
            Edit("link.py", old="MAX_WAITING_OUT = 128 << 10", new="MAX_WAITING_OUT = 8 << 20"),
            Edit("link.py", old="MAX_UNSENT = 128 << 10", new="MAX_UNSENT = 8 << 20"),
            Edit("credit.py", old="WORKING_CREDIT = 4 << 20", new="WORKING_CREDIT = 12 << 20"),
        ),
        noticed_by={"T63": ("times the idle round trip",)},
    ),
    Mutant(
        name="leaks-a-descriptor-of-each-stream",
        breaks="Keeps a second descriptor of each connection to a target.",
        edits=(
            Edit(
                "endpoint.py",
                old="                connection = await dial(host, port)\n",
                new="                connection = await dial(host, port)\n"
                "                self.__dict__.setdefault('leaked', []).append(connection.dup())\n",
            ),
        ),
        noticed_by={"T72": ("connections that were served",), "T77": ("descriptors",)},
    ),
    Mutant(
        name="leaves-a-thread-of-each-stream",
        breaks="Leaves a thread behind for each connection to a target.",
        edits=(
            Edit(
                "endpoint.py",
                old="                connection = await dial(host, port)\n",
                new="                connection = await dial(host, port)\n"
                "                import threading\n"
                "                wait = threading.Event().wait\n"
                "                threading.Thread(target=wait, daemon=True).start()\n",
            ),
        ),
        noticed_by={"T77": ("threads",)},
    ),
    Mutant(
        name="keeps-what-it-has-carried",
        breaks="Keeps all bytes that it has handed on.",
        edits=(
            Edit(
                "stream.py",
                old="        self.bytes_in += count\n",
                new="        self.bytes_in += count\n"
                "        self._loop.__dict__.setdefault('kept', []).append(bytes(payload))\n",
            ),
        ),
        noticed_by={"T77": ("bytes of memory",)},
    ),
    Mutant(
        name="remembers-streams-that-are-over",
        breaks="Goes on counting streams that have ended.",
        edits=(
            Edit(
                "endpoint.py",
                old="        link = self._streams.pop(stream)\n",
                new="        link = self._streams[stream]\n",
            ),
        ),
        noticed_by={
            "T77": ("streams that are left",),
            "T75": tuple(
                f"{what} at {node}"
                for what in ("streams", "bytes that wait")
                for node in ("server", "client-1")
            ),
        },
    ),
    Mutant(
        name="goes-on-dialling",
        breaks="Does not stop dialling the target of a stream that has ended meanwhile.",
        edits=(Edit("endpoint.py", old="            dialling.cancel()", new="            pass"),),
        noticed_by={"T75": ("tcp: reply to idle",)},
        hurry=0.5,
    ),
    Mutant(
        name="tells-of-no-end",
        breaks="Says nothing when a stream has ended.",
        edits=(
            Edit(
                "endpoint.py",
                old="        self._emit(\n            messages.StreamClosed(",
                new="        str(\n            messages.StreamClosed(",
            ),
        ),
        noticed_by={"T43": ("streams that are left",), "T47": ("streams that are left",)},
    ),
    Mutant(
        name="dials-ipv4-only",
        breaks="Looks for IPv4 addresses of a target only.",
        edits=(
            Edit(
                "ports.py",
                old="    for family, kind, protocol, _, address in found:\n",
                new="    for family, kind, protocol, _, address in found:\n"
                "        if family != socket.AF_INET:\n"
                "            continue\n",
            ),
        ),
        noticed_by={"T74": echoed(FROM_SERVER[0], FROM_CLIENT[0])},
    ),
)
