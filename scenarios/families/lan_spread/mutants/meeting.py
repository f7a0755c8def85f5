"""Handshake, identity, known peers, goodbye."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="connect-tells-own-address",
        breaks="Replies to connect with its own address.",
        edits=(
            Edit(
                "peer.py",
                old="messages.ConnectResult(peer_id=session.peer_id, addr=str(session.addr))",
                new="messages.ConnectResult(peer_id=session.peer_id, addr=str(self._address))",
            ),
        ),
        noticed_by={
            "S2": ("always: connect tells id and address",),
        },
    ),
    Mutant(
        name="waits-for-one-too-many",
        breaks="Counts one peer too many in its reply to wait-peers.",
        edits=(
            Edit(
                "peer.py",
                old="messages.WaitPeersResult(count=len(self._peers))",
                new="messages.WaitPeersResult(count=len(self._peers) + 1)",
            ),
        ),
        noticed_by={
            "S2": (
                "peers that alpha waited for",
                "peers that bravo waited for",
            ),
        },
    ),
    Mutant(
        name="lists-itself",
        breaks="Lists itself among its peers.",
        edits=(
            Edit(
                "peer.py",
                old="        kept = sum(",
                new="        itself = (self._identity.peer_id, self._settings.name, "
                "str(self._address), {})\n"
                "        now.insert(0, itself)\n"
                "        kept = sum(",
            ),
        ),
        noticed_by={
            "S1": ("peers that it knows",),
            "S10": ("peers of alpha afterwards",),
            "S11": (
                "peers of the client",
                "peers of bravo",
            ),
            "S22": ("alpha's peers",),
            "S28": (
                "the client's peers before",
                "the client's peers at the end",
            ),
            "S29": (
                "the observer's peers before",
                "the observer's peers",
            ),
            "S30": (
                "peers of a, each once and not itself",
                "peers of b, each once and not itself",
                "peers of c, each once and not itself",
                "peers of d, each once and not itself",
                "peers of e, each once and not itself",
                "peers of client, each once and not itself",
            ),
            "S32": ("peers left",),
            "S71": ("where it is listed",),
        },
    ),
    Mutant(
        name="lists-peers-by-id",
        breaks="Reports a peer's id as its name.",
        edits=(
            Edit(
                "peer.py",
                old="now = [(peer.peer_id, peer.name,",
                new="now = [(peer.peer_id, peer.peer_id,",
            ),
        ),
        noticed_by={
            "S2": (
                "peers of alpha",
                "peers of bravo",
            ),
            "S27": ("alpha's peers",),
        },
    ),
    Mutant(
        name="meets-itself",
        breaks="Reports at its start that it has met itself.",
        edits=(
            Edit(
                "peer.py",
                old="        self._scanned.set()\n",
                new="        self._scanned.set()\n"
                "        own = self._identity.peer_id\n"
                "        self._emit(messages.PeerConnected(peer_id=own, name='', addr=''))\n",
            ),
        ),
        noticed_by={
            "S2": (
                "alpha never met itself",
                "peers that alpha met",
                "bravo never met itself",
                "peers that bravo met",
            ),
            "S30": (
                "a never met itself",
                "b never met itself",
                "c never met itself",
                "d never met itself",
                "e never met itself",
                "client never met itself",
            ),
        },
    ),
    Mutant(
        name="same-id-for-all",
        breaks="Derives the same id from every key.",
        edits=(
            Edit(
                "identity.py",
                old="hashlib.sha256(public_key).digest()[:20]",
                new="hashlib.sha256(public_key[:0]).digest()[:20]",
                package="network",
            ),
        ),
        noticed_by={
            "S2": ("the two ids differ",),
            "S12": ("the id that the server proved",),
            "S27": ("the id that alpha proved",),
        },
    ),
    Mutant(
        name="new-identity-at-every-start",
        breaks="Creates a new identity at every start.",
        edits=(
            Edit(
                "startup.py",
                old="identity = load_or_create(settings.state_dir)",
                new="another = settings.state_dir / os.urandom(4).hex()\n        another.mkdir()\n"
                "        identity = load_or_create(another)",
            ),
        ),
        noticed_by={
            "S11": ("bravo's id after the restart",),
            "S109": ("who starts later",),
            "S28": (
                "bravo's id",
                "the client's peers afterwards",
                "what bravo offers afterwards",
                "bravo was never gone",
            ),
        },
    ),
    Mutant(
        name="forgets-the-goodbye",
        breaks="Leaves without a goodbye.",
        edits=(Edit("network/session.py", old="        self.send(wire.Goodbye())\n", new=""),),
        noticed_by={
            "S10": ("reason",),
            "S21": ("why bravo went at last",),
            "S22": ("why bravo went at last",),
            "S23": ("why bravo went at last",),
        },
    ),
    Mutant(
        name="blurs-who-left",
        breaks="Reports a peer's id as its name when it leaves.",
        edits=(
            Edit(
                "network/peers.py",
                old="peer_id=peer.peer_id, name=peer.name, addr=str(session.addr), reason=reason",
                new="peer_id=peer.peer_id, name=peer.peer_id, addr='', reason=reason",
            ),
        ),
        noticed_by={
            "S10": ("who said goodbye",),
        },
    ),
    Mutant(
        name="says-twice-who-left",
        breaks="Reports twice that a peer has left.",
        edits=(
            Edit(
                "network/peers.py",
                old="        del self._peers[session.peer_id]\n",
                new="        del self._peers[session.peer_id]\n"
                "        gone = messages.PeerDisconnected(\n"
                "            peer_id=peer.peer_id, name=peer.name, addr=str(session.addr), "
                "reason=reason\n"
                "        )\n"
                "        self._emit(gone)\n",
            ),
        ),
        noticed_by={
            "S10": ("alpha was told once",),
        },
    ),
    Mutant(
        name="meets-again-for-news",
        breaks="Reports peer-connected again whenever a peer's library changes.",
        edits=(
            Edit(
                "network/peers.py",
                old="        peer.games = library\n",
                new="        peer.games = library\n"
                "        who, where = peer.peer_id, str(session.addr)\n"
                "        self._emit(messages.PeerConnected(peer_id=who, name=peer.name, "
                "addr=where))\n",
            ),
        ),
        noticed_by={
            "S21": ("nobody came or went before",),
            "S22": ("nobody came or went before",),
            "S23": ("nobody came or went before",),
        },
    ),
    Mutant(
        name="reconnects-for-news",
        breaks="Reports that a peer left and came back whenever its library changes.",
        edits=(
            Edit(
                "network/peers.py",
                old="        peer.games = library\n",
                new="        peer.games = library\n"
                "        who, where = peer.peer_id, str(session.addr)\n"
                "        self._emit(\n"
                "            messages.PeerDisconnected(\n"
                '                peer_id=who, name=peer.name, addr=where, reason="timeout"\n'
                "            )\n"
                "        )\n"
                "        self._emit(messages.PeerConnected(peer_id=who, name=peer.name, "
                "addr=where))\n",
            ),
        ),
        noticed_by={
            "S29": ("the observer met nobody else",),
        },
    ),
    Mutant(
        name="keeps-the-games-of-the-gone",
        breaks="Continues to offer the games of a peer that is gone.",
        edits=(
            Edit(
                "peer.py",
                old="        offers: dict[str, list[wire.Game]] = {}\n"
                "        for peer in self._peers.all():\n",
                new="        offers: dict[str, list[wire.Game]] = {}\n"
                "        seen = self.__dict__.setdefault('seen', {})\n"
                "        seen |= {peer.peer_id: peer for peer in self._peers.all()}\n"
                "        for peer in seen.values():\n",
            ),
        ),
        noticed_by={
            "S10": ("bravo's games at alpha afterwards",),
        },
    ),
    Mutant(
        name="connects-to-itself",
        breaks="Connects to itself when told to.",
        edits=(
            Edit(
                "network/connections.py",
                old="if address == self._own_address:",
                new="if address is None:",
            ),
            Edit(
                "handshake.py",
                old="if message.public_key == party.identity.public_key:",
                new='if message.public_key == b"":',
                package="network",
            ),
        ),
        noticed_by={
            "S27": (
                "alpha refuses connect: cannot connect peer to itself",
                "alpha's peers after that",
                "code of the refusal",
                "entries afterwards: the honest raw client's",
                "alpha's own id among its peers",
                "alpha never met itself",
            ),
        },
    ),
    Mutant(
        name="believes-any-identity",
        breaks="Accepts any claimed identity, even its own.",
        edits=(
            Edit(
                "handshake.py",
                old="if message.public_key == party.identity.public_key:",
                new='if message.public_key == b"":',
                package="network",
            ),
            Edit(
                "handshake.py",
                old="if not verify(hello.public_key, proof.signature, transcript):",
                new="if not proof.signature:",
                package="network",
            ),
        ),
        noticed_by={
            "S27": ("alpha refuses who presents alpha's identity",),
        },
    ),
    Mutant(
        name="remembers-its-address",
        breaks="Reports the address that it had at its first start.",
        edits=(
            Edit(
                "startup.py",
                old="            addr=str(address),\n",
                new="            addr=_first(settings.state_dir / 'address', str(address)),\n",
            ),
            Edit(
                "startup.py",
                old="def _seed_fixtures(settings",
                new="def _first(file, address: str) -> str:\n"
                "    if not file.exists():\n"
                "        file.write_text(address)\n"
                "    return file.read_text()\n"
                "\n"
                "\n"
                "def _seed_fixtures(settings",
            ),
        ),
        noticed_by={
            "S28": ("bravo's address is another one",),
        },
    ),
    Mutant(
        name="spells-ipv4-as-ipv6",
        breaks="Takes the IPv4 address of a caller as an IPv6 socket spells it.",
        edits=(
            Edit(
                "address.py",
                old="    if ip.ipv4_mapped is not None:\n        return str(ip.ipv4_mapped)\n",
                new="",
                package="network",
            ),
        ),
        noticed_by={"S71": ("whom it lists",)},
    ),
    Mutant(
        name="has-no-zones",
        breaks="Shows link-local addresses without their zones.",
        edits=(
            Edit(
                "address.py",
                old='return f"[{self.ip}]:{self.port}" if',
                new='return f"[{self.ip.partition(chr(37))[0]}]:{self.port}" if',
                package="network",
            ),
        ),
        noticed_by={
            "S72": ("the address of source has its zone", "the address of client has its zone"),
        },
    ),
    Mutant(
        name="forgets-zones-of-others",
        breaks="Takes the link-local address of another peer without its zone.",
        edits=(
            Edit(
                "network/connections.py",
                old="        rate = self._rates.setdefault(",
                new='        address = Address(address.ip.partition("%")[0], address.port)\n'
                "        rate = self._rates.setdefault(",
            ),
        ),
        noticed_by={
            "S72": (
                "always: connect tells id and address",
                "whom the client lists",
                "whom the source lists",
                "client: download-finished of bfbc2",
            ),
        },
    ),
    Mutant(
        name="fetches-without-zones",
        breaks="Opens data connections from its link-local address without the zone.",
        edits=(
            Edit(
                "transfer/dataplane.py",
                old="connection.bind(Address(source_ip, 0).for_socket())",
                new='connection.bind((source_ip.partition("%")[0], 0))',
            ),
        ),
        noticed_by={"S72": ("client: download-finished of bfbc2",)},
    ),
)
