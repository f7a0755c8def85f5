"""How peers find each other by mDNS, also after a separation."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="announces-itself-to-nobody",
        breaks="Does not announce itself by mDNS.",
        edits=(
            Edit(
                "network/discovery.py",
                old="await zeroconf.async_register_service(info, cooperating_responders=True)",
                new="assert info",
            ),
        ),
        noticed_by={"S48": ("alpha learns of bravo",)},
        hurry=0.4,
    ),
    Mutant(
        name="acts-on-news-only",
        breaks="Connects to an announced peer only once, when it is first announced.",
        edits=(
            Edit(
                "network/announced.py",
                old="        while True:\n            announced.news.clear()\n",
                new="        for _ in range(1):\n            announced.news.clear()\n",
            ),
        ),
        noticed_by={"S87": ("alpha finds bravo again",)},
        hurry=0.4,
    ),
    Mutant(
        name="miscounts-who-it-waits-for",
        breaks="Counts one peer too many in its reply to wait-peers.",
        edits=(
            Edit(
                "peer.py",
                old="messages.WaitPeersResult(count=len(self._peers))",
                new="messages.WaitPeersResult(count=len(self._peers) + 1)",
            ),
        ),
        noticed_by={"S48": ("peers that alpha has found", "peers that bravo has found")},
    ),
    Mutant(
        name="remembers-the-silent",
        breaks="Keeps silent peers and their games.",
        edits=(
            Edit(
                "network/peers.py",
                old="        del self._peers[session.peer_id]\n",
                new='        if reason == "timeout":\n'
                "            peer.sessions = [session]\n"
                "        else:\n"
                "            del self._peers[session.peer_id]\n",
            ),
        ),
        noticed_by={"S57": ("what is offered to bravo meanwhile",)},
    ),
    Mutant(
        name="calls-silence-a-loss",
        breaks="Reports connection-lost for a peer that timed out.",
        edits=(
            Edit(
                "network/session.py",
                old='Ping()))\n        self.abort("timeout")\n',
                new='Ping()))\n        self.abort("connection-lost")\n',
            ),
        ),
        noticed_by={
            "S57": ("why alpha gives bravo up", "why bravo gives alpha up"),
            "S87": ("why alpha gives bravo up",),
        },
    ),
)
