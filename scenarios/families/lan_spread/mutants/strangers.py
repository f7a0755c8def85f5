"""Admission, and what strangers can do to a peer."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="takes-any-swarm-key",
        breaks="Admits peers with another swarm key or none.",
        edits=(
            Edit(
                "handshake.py",
                old="    if not hmac.compare_digest(",
                new="    if not proof.swarm and hmac.compare_digest(",
                package="network",
            ),
        ),
        noticed_by={
            "S61": (
                "keyless cannot connect to member",
                "member cannot connect to keyless",
                "other cannot connect to member",
                "member cannot connect to other",
                "what a stranger with no key hears",
                "what a stranger with another key hears",
                "how a stranger with no key is refused",
                "how a stranger with another key is refused",
                "whom the member knows so far",
                "whom keyless knows",
                "whom other knows",
            ),
        },
    ),
    Mutant(
        name="proves-before-the-caller",
        breaks="Proves the swarm key before the connecting peer has proven it.",
        edits=(
            Edit(
                "handshake.py",
                old="        _check_proof(await _expect_proof(reader), theirs, hellos, "
                '"connecting", party)\n',
                new='        writer.write(encode_frame(_proof(party, hellos, "accepting")))\n'
                "        _check_proof(await _expect_proof(reader), theirs, hellos, "
                '"connecting", party)\n',
                package="network",
            ),
            Edit(
                "handshake.py",
                old='    writer.write(encode_frame(_proof(party, hellos, "accepting")))\n'
                "    return remote",
                new="    return remote",
                package="network",
            ),
        ),
        noticed_by={
            "S61": (
                "what a stranger with no key hears",
                "what a stranger with another key hears",
            ),
        },
    ),
    Mutant(
        name="answers-garbage",
        breaks="Answers garbage with an error message.",
        edits=(
            Edit(
                "network/listener.py",
                old="        except (OSError, EOFError, TimeoutError, wire.WireError):\n",
                new="        except (OSError, EOFError, TimeoutError, wire.WireError):\n"
                '            connection.send(b"what?")\n',
            ),
        ),
        noticed_by={"S60": ("what garbage gets: its answer, and whether it was closed",)},
    ),
    Mutant(
        name="waits-for-strangers",
        breaks="Keeps a silent connection open forever.",
        edits=(
            Edit(
                "network/listener.py",
                old="FIRST_BYTES_TIMEOUT_S = 5.0",
                new="FIRST_BYTES_TIMEOUT_S = 60.0",
            ),
        ),
        noticed_by={"S60": ("what garbage gets: its answer, and whether it was closed",)},
    ),
    Mutant(
        name="first-come-first-served",
        breaks="Refuses every stranger while all slots for strangers are taken.",
        edits=(
            Edit(
                "acceptor.py",
                old="                    oldest.cancel()\n"
                "                    await asyncio.wait([oldest])  # it closes its socket\n",
                new="                    connection.close()\n                    continue\n",
                package="network",
            ),
            Edit(
                "acceptor.py",
                old="MAX_STRANGERS_PER_ADDRESS = 32",
                new="MAX_STRANGERS_PER_ADDRESS = MAX_STRANGERS",
                package="network",
            ),
        ),
        noticed_by={"S85": ("early accepts connect to bravo",)},
    ),
    Mutant(
        name="knows-everybody",
        breaks="Admits any number of peers from one address.",
        edits=(
            Edit(
                "network/connections.py",
                old="MAX_CALLERS_PER_ADDRESS = 32",
                new="MAX_CALLERS_PER_ADDRESS = 3200",
            ),
        ),
        noticed_by={"S86": ("how the others are refused", "peers that bravo knows")},
    ),
    Mutant(
        name="knows-few",
        breaks="Admits only a few peers from one address.",
        edits=(
            Edit(
                "network/connections.py",
                old="MAX_CALLERS_PER_ADDRESS = 32",
                new="MAX_CALLERS_PER_ADDRESS = 5",
            ),
        ),
        noticed_by={"S86": ("the first 32 are taken", "peers that bravo knows")},
    ),
    Mutant(
        name="keeps-every-library",
        breaks="Keeps libraries of any size from one address.",
        edits=(
            Edit(
                "network/peers.py",
                old="MAX_LIBRARY_BYTES_PER_ADDRESS = 8 << 20",
                new="MAX_LIBRARY_BYTES_PER_ADDRESS = 800 << 20",
            ),
            Edit(
                "network/peers.py",
                old="MAX_LIBRARY_BYTES = 32 << 20",
                new="MAX_LIBRARY_BYTES = 3200 << 20",
            ),
        ),
        noticed_by={"S88": ("peers that bravo keeps",)},
    ),
    Mutant(
        name="forgets-who-has-little",
        breaks="Drops the peer with the smallest library when the total is too large.",
        edits=(
            Edit(
                "network/peers.py",
                old="            own.remove(newest)\n            leaving.append(newest)\n",
                new="            leaving.extend(sorted(self._peers.values(), "
                "key=lambda peer: peer.library_bytes)[:1])\n",
            ),
        ),
        noticed_by={"S88": ("client accepts download of ggoo",)},
    ),
    Mutant(
        name="shows-texts-as-they-are",
        breaks="Shows names and games of others unescaped.",
        edits=(
            Edit(
                "texts.py",
                old="    if text.isprintable():\n",
                new="    if text.isprintable() or text:\n",
                package="headless",
            ),
        ),
        noticed_by={
            "S89": (
                "the name in peer-connected",
                "the name in list-peers",
                "the game in list-peers",
            ),
        },
    ),
)
