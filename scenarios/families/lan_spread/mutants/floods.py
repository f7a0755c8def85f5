"""Hostile sources, and the limits for admitted peers."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="takes-names-that-lead-out",
        breaks="Accepts names that are absolute or lead out of the folder.",
        edits=(
            Edit(
                "names.py",
                old='    if text.startswith("/"):\n',
                new='    if text == "/":\n',
                package="store",
            ),
            Edit(
                "names.py",
                old='if part in ("", ".", ".."):',
                new='if part == ".":',
                package="store",
            ),
        ),
        noticed_by={
            "S62": (
                "how each download ends",
                "the client's folder",
                "what lies beside the games",
            ),
            "S83": (
                "how each stream ends",
                "the client's folder",
                "the client's games",
                "what lies beside the games",
                "its games then",
                "its games at last",
            ),
        },
    ),
    Mutant(
        name="takes-odd-characters",
        breaks="Accepts names with backslashes and control characters.",
        edits=(
            Edit(
                "names.py",
                old='    if "\\\\" in text:\n',
                new="    if not text:\n",
                package="store",
            ),
            Edit(
                "names.py",
                old="    if not text.isprintable() and any(",
                new="    if any(",
                package="store",
            ),
            Edit(
                "names.py",
                old='unicodedata.category(char) == "Cc"',
                new='char == "\\0"',
                package="store",
            ),
        ),
        noticed_by={
            "S62": (
                "how each download ends",
                "the client's folder",
                "the client's games",
                "its games then",
                "its games at last",
            ),
            "S83": ("how each stream ends",),
        },
    ),
    Mutant(
        name="takes-reserved-names",
        breaks="Accepts files with the peer's reserved names.",
        edits=(
            Edit(
                "names.py",
                old="    if is_reserved(path.parts[0]):\n",
                new="    if not path.parts:\n",
            ),
        ),
        noticed_by={"S62": ("how each download ends",)},
    ),
    Mutant(
        name="takes-a-file-for-a-folder",
        breaks="Accepts a manifest in which a path is both a file and a folder.",
        edits=(
            Edit(
                "transfer/manifest.py",
                old="            if folder in paths:\n",
                new="            if folder in paths and not folder:\n",
            ),
        ),
        noticed_by={"S62": ("how each download ends",)},
    ),
    Mutant(
        name="takes-any-news-for-progress",
        breaks="Waits as long as a source reports that it is hashing.",
        edits=(
            Edit(
                "network/session.py",
                old="if hashes and hashed + HASHING_STEP <= answer.done <= total:",
                new="if hashes and hashed <= answer.done <= total:",
            ),
        ),
        noticed_by={"S98": ("client: download-failed or download-peers-gone of bf1942",)},
        hurry=0.5,
    ),
    Mutant(
        name="hashes-beyond-the-end",
        breaks="Waits for a source that hashes more than there is.",
        edits=(
            Edit(
                "network/session.py",
                old="HASHING_STEP <= answer.done <= total:",
                new="HASHING_STEP <= answer.done:",
            ),
        ),
        noticed_by={"S98": ("client: download-finished of ggoo",)},
        hurry=0.6,
    ),
    Mutant(
        name="votes-beside-a-digest",
        breaks="Waits for a majority where the catalog has a digest.",
        edits=(
            Edit(
                "transfer/agreement.py",
                old="        return any(vote.digest == content_digest for vote in votes)\n",
                new="        pass\n",
            ),
        ),
        noticed_by={"S84": ("client: download-finished of ggoo",)},
        hurry=0.8,
    ),
    Mutant(
        name="waits-for-hashing-twice",
        breaks="Waits for hashing also where a manifest is asked for, which was hashed before.",
        edits=(
            Edit(
                "network/session.py",
                old="hashes = isinstance(asked, wire.GetDigest)",
                new="hashes = isinstance(asked, wire.GetDigest | wire.GetManifest)",
            ),
        ),
        noticed_by={"S84": ("client: download-finished of ggoo",)},
        hurry=0.8,
    ),
    Mutant(
        name="forgives-hashing-without-end",
        breaks="Drops a source that never finishes hashing, but does not ban it.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="    if isinstance(error, NoProgressError | NoAnswerError):\n",
                new="    if isinstance(error, NoProgressError):\n",
            ),
        ),
        noticed_by={"S84": ("sources banned",), "S98": ("sources banned",)},
    ),
    Mutant(
        name="makes-room-before-it-knows",
        breaks="Creates a game's folder before it has the manifest.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        agreement = await self._agree()\n        manifest",
                new="        (self._games_dir / self._entry.game_id).mkdir(exist_ok=True)\n"
                "        agreement = await self._agree()\n        manifest",
            ),
        ),
        noticed_by={"S98": ("the client's folder",)},
    ),
    Mutant(
        name="takes-frames-of-nothing",
        breaks="Accepts any number of empty frames in a stream.",
        edits=(
            Edit(
                "install/entries.py",
                old="if kind == DATA and (not length or length < min(",
                new="if kind == DATA and (length and length < min(",
            ),
        ),
        noticed_by={"S99": ("client: install of bf1942 finishes",)},
        hurry=0.5,
    ),
    Mutant(
        name="takes-frames-of-a-byte",
        breaks="Accepts any number of one-byte frames in a stream.",
        edits=(
            Edit(
                "install/entries.py",
                old="length < min(DATA_MINIMUM, self._entry_left)",
                new="length < min(1, self._entry_left)",
            ),
        ),
        noticed_by={"S99": ("client: install of bf1942 finishes",)},
        hurry=0.5,
    ),
    Mutant(
        name="takes-records-of-a-byte",
        breaks="Accepts any number of one-byte records in a stream.",
        edits=(
            Edit(
                "transfer/records.py",
                old="_SMALL_RECORDS, _MEAN_BYTES = 1024, 1024",
                new="_SMALL_RECORDS, _MEAN_BYTES = 1 << 40, 1024",
            ),
        ),
        noticed_by={"S99": ("client: install of bf1942 finishes",)},
        hurry=0.5,
    ),
    Mutant(
        name="forgives-streams-without-end",
        breaks="Drops a source of a malformed stream, but does not ban it.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old='        return error.code == "malformed-stream" and not isinstance('
                "error, SenderError)\n",
                new="        return isinstance(error, SenderError)\n",
            ),
        ),
        noticed_by={"S99": ("who is banned",)},
    ),
    Mutant(
        name="keeps-what-a-broken-stream-sent",
        breaks="Starts a stream in a folder with the files of the failed one.",
        edits=(
            Edit(
                "install/transaction.py",
                old="    recover_game(root)\n    staging = root / STAGING\n    try:\n"
                "        staging.mkdir()\n",
                new="    staging = root / STAGING\n    try:\n"
                "        staging.mkdir(exist_ok=True)\n",
            ),
        ),
        noticed_by={"S99": ("what is installed",)},
    ),
    Mutant(
        name="bears-slow-readers",
        breaks="Waits forever for receivers that do not read.",
        edits=(
            Edit(
                "transfer/dataplane.py",
                old="RECEIVER_STALL_S = 10.0",
                new="RECEIVER_STALL_S = 1e6",
            ),
        ),
        noticed_by={"S96": ("server sends nothing any more",)},
        hurry=0.6,
    ),
    Mutant(
        name="checks-without-a-pause",
        breaks="Handles the requests from one address one after the other, without pauses.",
        edits=(Edit("turns.py", old="PAUSE = 7 ", new="PAUSE = 0 ", package="network"),),
        noticed_by={"S97": ("a costly request is paid for",)},
    ),
    Mutant(
        name="checks-all-at-once",
        breaks="Handles all requests from one address at once.",
        edits=(
            Edit(
                "turns.py",
                old="async with turn.lock if alone else nullcontext():",
                new="async with nullcontext():",
                package="network",
            ),
        ),
        noticed_by={"S97": ("the order of the answers",)},
    ),
    Mutant(
        name="has-one-queue-for-all",
        breaks="Lets all addresses wait for the requests of one.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="async with self._turns.turn(session.addr.ip):",
                new='async with self._turns.turn(""):',
            ),
        ),
        noticed_by={"S97": ("another address does not wait",)},
    ),
    Mutant(
        name="gives-strangers-helpers",
        breaks="Unpacks for one address as often as it asks, up to the machine's limit.",
        edits=(
            Edit("transfer/serve.py", old="STREAMS = Slots(8, 2)", new="STREAMS = Slots(20, 4)"),
        ),
        noticed_by={"S82": ("streams given to each address", "streams that go out")},
    ),
    Mutant(
        name="counts-no-open-tickets",
        breaks="Issues tickets without a limit as long as none is redeemed.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="[*self._outbound.values(), *self._tickets.open_jobs()]",
                new="[*self._outbound.values()]",
            ),
        ),
        noticed_by={
            "S82": ("streams given to each address",),
            "S94": ("tickets given to one address",),
        },
    ),
    Mutant(
        name="believes-the-first-total",
        breaks="Takes the total that a source reports before it has found the files.",
        edits=(
            Edit(
                "network/session.py",
                old="total = total or answer.total",
                new="total = answer.total if total is None else total",
            ),
        ),
        noticed_by={"S78": ("client: download-finished of bf1942",)},
        hurry=0.8,
    ),
    Mutant(
        name="gives-each-session-a-rate",
        breaks="Takes as many messages per second from each session of an address.",
        edits=(
            Edit(
                "network/connections.py",
                old="self._rates.setdefault(address.ip, MessageRate(MAX_MESSAGES_PER_S))",
                new="MessageRate(MAX_MESSAGES_PER_S)",
            ),
        ),
        noticed_by={"S91": ("all sessions share the rate",)},
    ),
    Mutant(
        name="takes-any-manifest",
        breaks="Takes a manifest for an answer to any question.",
        edits=(
            Edit(
                "network/session.py",
                old="manifest_due=lambda: self._manifests_due > 0,",
                new="manifest_due=lambda: bool(self._answers),",
            ),
        ),
        noticed_by={"S105": ("bytes of its memory",)},
    ),
    Mutant(
        name="keeps-any-library",
        breaks="Keeps libraries of any size and number.",
        edits=(
            Edit(
                "network/peers.py",
                old="MAX_LIBRARY_BYTES = 32 << 20\nMAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 20\n",
                new="MAX_LIBRARY_BYTES = 32 << 30\nMAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 30\n",
            ),
        ),
        noticed_by={"S103": ("some are disconnected",)},
    ),
    Mutant(
        name="keeps-too-many-libraries",
        breaks="Keeps many libraries of each address, and of any number of addresses.",
        edits=(
            Edit(
                "network/peers.py",
                old="MAX_LIBRARY_BYTES = 32 << 20\nMAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 20\n",
                new="MAX_LIBRARY_BYTES = 32 << 30\nMAX_LIBRARY_BYTES_PER_ADDRESS = 26 << 20\n",
            ),
        ),
        noticed_by={"S103": ("bytes of its memory",)},
    ),
    Mutant(
        name="keeps-no-large-library",
        breaks="Drops whoever has a large library.",
        edits=(
            Edit(
                "network/peers.py",
                old="MAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 20\n",
                new="MAX_LIBRARY_BYTES_PER_ADDRESS = 1 << 20\n",
            ),
        ),
        noticed_by={"S103": ("sessions that stay",)},
    ),
    Mutant(
        name="waits-for-those-that-do-not-read",
        breaks="Never gives up on a peer that takes nothing of a large message.",
        edits=(Edit("network/session.py", old="UNREAD_LIMIT_S = 5.0", new="UNREAD_LIMIT_S = 1e6"),),
        noticed_by={"S90": ("the one that takes nothing is dropped",)},
    ),
    Mutant(
        name="keeps-an-answer-for-each-that-does-not-read",
        breaks="Lets any number of large answers wait until they are taken.",
        edits=(
            Edit(
                "network/connections.py",
                old="MAX_LARGE_ANSWERS = 8\nMAX_LARGE_PER_ADDRESS = 2\n",
                new="MAX_LARGE_ANSWERS = 1000\nMAX_LARGE_PER_ADDRESS = 1000\n",
            ),
        ),
        noticed_by={"S90": ("its memory stays",)},
    ),
)
