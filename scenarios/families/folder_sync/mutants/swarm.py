"""Mutants that are wrong about others: trackers, holders, strangers."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="never-finds-back",
        breaks="Does not look for a tracker that was lost.",
        edits=(
            Edit(
                "tracking.py",
                old="            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))",
                new="            await asyncio.sleep(1e6 * random.uniform(0.5, 1.0))",
            ),
        ),
        noticed_by={"F24": ("alpha: tracker-connected",)},
        hurry=0.4,
    ),
    Mutant(
        name="rests-without-a-tracker",
        breaks="Tells others nothing of changes while it has lost the tracker.",
        edits=(
            Edit(
                "peer.py",
                old="            for conversation, _ in self._conversations.values():\n"
                "                conversation.changed()",
                new="            for conversation, _ in self._conversations.values():\n"
                '                if self._tracking.state != "lost":\n'
                "                    conversation.changed()",
            ),
        ),
        noticed_by={"F24": ("while it is gone",)},
        hurry=0.5,
    ),
    Mutant(
        name="waits-for-the-tracker",
        breaks="Meets nobody before it has met the tracker.",
        edits=(
            Edit(
                "peer.py",
                old="        self._contacts.start()\n"
                "        async with asyncio.TaskGroup() as group:\n"
                "            group.create_task(self._acceptor.run())\n"
                "            group.create_task(self._tracking.run())",
                new="        tracking = asyncio.create_task(self._tracking.run())\n"
                '        while self._tracking.state != "connected":\n'
                "            await asyncio.sleep(0.05)\n"
                "        self._contacts.start()\n"
                "        await asyncio.gather(self._acceptor.run(), tracking)",
            ),
        ),
        noticed_by={"F24": ("when it never comes back",)},
    ),
    Mutant(
        name="takes-any-key",
        breaks="Takes whoever comes, whatever key they have.",
        edits=(
            Edit(
                "handshake.py",
                old="    if not hmac.compare_digest(proof.swarm,",
                new="    if False and not hmac.compare_digest(proof.swarm,",
                package="network",
            ),
        ),
        noticed_by={
            "F34": (
                "what strangers are told",
                "what strangers have",
                "whom the tracker knows",
                "what members have",
            )
        },
    ),
    Mutant(
        name="serves-legacy-peers-in-secret",
        breaks="Serves its files over the legacy wire although the swarm has a key.",
        edits=(
            Edit(
                "peer.py",
                old="            None if opened.key else",
                new="            None if False else",
            ),
        ),
        noticed_by={"F34": ("what the legacy wire is answered",)},
    ),
    Mutant(
        name="lists-one-peer",
        breaks="As a tracker, lists the first peer only.",
        edits=(
            Edit(
                "tracker.py",
                old="sorted(sessions.values(), key=lambda one: one.peer_id)\n",
                new="sorted(sessions.values(), key=lambda one: one.peer_id)[:1]\n",
            ),
        ),
        noticed_by={"F24": ("whom the new one knows",)},
    ),
    Mutant(
        name="blames-itself",
        breaks="Drops a holder that sent wrong bytes, but names itself.",
        edits=(
            Edit(
                "peer.py",
                old="messages.SourceDropped(peer_id=peer_id,",
                new="messages.SourceDropped(peer_id=self._links.own.peer_id,",
            ),
        ),
        noticed_by={"F33": ("who is dropped",)},
    ),
)
