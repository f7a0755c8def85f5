"""Which sources are trusted, kept and dropped, and what a ticket permits."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="believes-every-block",
        breaks="Does not verify received blocks.",
        edits=(
            Edit(
                "transfer/verify.py",
                old="return hasher.digest() == expected",
                new="return True",
            ),
        ),
        noticed_by={
            "S49": ("bf1942 at client is as at honest", "who is banned"),
            "S50": ("client: download-failed or download-peers-gone of bf1942",),
        },
    ),
    Mutant(
        name="asks-a-liar-again",
        breaks="Forgets every ban immediately.",
        edits=(
            Edit(
                "transfer/bans.py",
                old="        if banned_with == _digest(games):\n            return True\n",
                new="",
            ),
        ),
        noticed_by={
            "S49": ("sources counted afterwards", "who is asked again"),
            "S50": ("client refuses download: no peers have game bf1942",),
        },
    ),
    Mutant(
        name="bans-for-ever",
        breaks="Never lifts a ban, even if the library changes.",
        edits=(
            Edit(
                "transfer/bans.py",
                old="        if banned_with == _digest(games):\n",
                new="        if banned_with:\n",
            ),
        ),
        noticed_by={"S49": ("sources counted after the change",)},
    ),
    Mutant(
        name="bans-nobody",
        breaks="Drops a source that lies, but does not ban it.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="    return isinstance(error, CorruptSourceError | ManifestError)\n",
                new="    return False\n",
            ),
        ),
        noticed_by={
            "S49": ("who is banned", "sources counted afterwards"),
            "S50": ("who is banned",),
        },
    ),
    Mutant(
        name="gives-up-with-the-liar",
        breaks="Does not reassign the work of a source that lied.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                self._on_loss(source, error)\n"
                "                self.schedule.lost(source.peer_id)\n",
                new="                self._on_loss(source, error)\n"
                "                if isinstance(error, CorruptSourceError):\n"
                "                    for other in self.schedule.sources:\n"
                "                        self.schedule.lost(other)\n"
                "                self.schedule.lost(source.peer_id)\n",
            ),
        ),
        noticed_by={"S49": ("client: download-finished of bf1942",)},
    ),
    Mutant(
        name="lets-the-first-win",
        breaks="Uses the first source's manifest without a vote.",
        edits=(
            Edit(
                "transfer/agreement.py",
                old="    largest = [digest for digest, size in sizes.items() if size == "
                "max(sizes.values())]\n",
                new="    largest = [vote.digest for vote in votes[:1]] if sizes else []\n",
            ),
        ),
        noticed_by={
            "S51": ("who served", "who was asked", "bf1942 at client is as at alpha"),
            "S92": ("who served", "who was asked", "bf1942 at client is as at alpha"),
        },
    ),
    Mutant(
        name="counts-identities",
        breaks="Counts every identity at an address as a vote.",
        edits=(
            Edit(
                "transfer/agreement.py",
                old="groups[opinion].add(vote.ip)",
                new="groups[opinion].add(vote.peer_id)",
            ),
        ),
        noticed_by={"S92": ("who served", "who was asked", "bf1942 at client is as at alpha")},
    ),
    Mutant(
        name="counts-a-source-of-three",
        breaks="Omits the first source when it counts a game's sources.",
        edits=(Edit("peer.py", old="peer_count=len(games)", new="peer_count=len(games[1:])"),),
        noticed_by={
            "S49": ("sources counted before",),
            "S51": ("sources counted",),
            "S92": ("sources counted",),
        },
    ),
    Mutant(
        name="waits-for-the-frozen",
        breaks="Waits forever for a source that sends nothing.",
        edits=(
            Edit(
                "transfer/dataplane.py",
                old='            raise NoProgressError("the source stalled") from error\n',
                new="            return self._receive(receive)\n",
            ),
            Edit("transfer/plan.py", old="WORTHWHILE_S = 2.0", new="WORTHWHILE_S = 1e9"),
        ),
        noticed_by={"S56": ("client: download-finished of bf1942",)},
        hurry=0.5,
    ),
    Mutant(
        name="waits-for-the-slow",
        breaks="Lets a fast source idle while a slow one has work for minutes.",
        edits=(Edit("transfer/plan.py", old="WORTHWHILE_S = 2.0", new="WORTHWHILE_S = 1e9"),),
        noticed_by={"S58": ("client: download-finished of bf1942",)},
        hurry=0.5,
    ),
    Mutant(
        name="bans-the-slow",
        breaks="Bans a source whose work another one took over.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                self.schedule.give_back(source.peer_id)\n",
                new="                self.schedule.give_back(source.peer_id)\n"
                '                self._context.ban("bf1942", source, "It is slow.")\n',
            ),
        ),
        noticed_by={"S58": ("who is banned",)},
    ),
    Mutant(
        name="puts-up-with-a-trickle",
        breaks="Has no minimum rate for sources.",
        edits=(
            Edit(
                "pace.py",
                old="kept = self._moved >= MIN_RATE * self._waited_s",
                new="kept = self._moved > 0",
                package="network",
            ),
        ),
        noticed_by={"S93": ("client: download-failed or download-peers-gone of bf1942",)},
        hurry=0.6,
    ),
    Mutant(
        name="forgives-a-trickle",
        breaks="Drops a source that trickles, but does not ban it.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="        return source.session.is_responsive\n",
                new="        return False\n",
            ),
        ),
        noticed_by={"S93": ("who is banned",)},
    ),
    Mutant(
        name="leaves-what-a-liar-sent",
        breaks="Does not roll back a failed download.",
        edits=(
            Edit(
                "transfer/download.py",
                old="        except (DownloadError, asyncio.CancelledError):\n"
                "            await self._roll_back(staging)\n",
                new="        except (DownloadError, asyncio.CancelledError):\n"
                "            (staging.root / 'version.ini').write_text(self._entry.version)\n",
            ),
        ),
        noticed_by={
            "S50": ("the client's folder", "the client's games"),
            "S93": ("the client's folder",),
        },
    ),
    Mutant(
        name="takes-a-ticket-twice",
        breaks="Accepts a ticket again and again.",
        edits=(
            Edit(
                "transfer/tickets.py",
                old="            return None\n        del self._issued[ticket]\n",
                new="            return None\n",
            ),
        ),
        noticed_by={"S59": ("the ticket once more",)},
    ),
    Mutant(
        name="takes-any-ticket",
        breaks="Accepts anything as the ticket that was issued last.",
        edits=(
            Edit(
                "transfer/tickets.py",
                old="        issued = self._issued.get(ticket)\n",
                new="        issued = next(reversed(self._issued.values()), None)\n"
                "        if issued is not None:\n"
                "            self._issued.setdefault(ticket, issued)\n",
            ),
        ),
        noticed_by={"S59": ("a ticket that nobody issued", "a ticket changed by a bit")},
    ),
    Mutant(
        name="takes-a-stolen-ticket",
        breaks="Accepts a ticket from any address.",
        edits=(
            Edit(
                "transfer/tickets.py",
                old="if issued is None or issued.ip != ip:",
                new="if issued is None:",
            ),
        ),
        noticed_by={"S59": ("a stolen ticket", "the ticket, after all that")},
    ),
    Mutant(
        name="opens-nothing",
        breaks="Sends nothing for the second ticket of an address.",
        edits=(
            Edit(
                "transfer/tickets.py",
                old="return issued.job if issued.expires > self._clock() else None",
                new="self._clock, clock = (lambda: 1e18), self._clock\n"
                "        return issued.job if issued.expires > clock() else None",
            ),
        ),
        noticed_by={"S59": ("a new one",)},
    ),
    Mutant(
        name="encrypts-for-askers-only",
        breaks="Encrypts only on request, whatever its own switch says.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="encrypted = question.encrypt or self._encrypt",
                new="encrypted = question.encrypt",
            ),
        ),
        noticed_by={"S95": ("what the relay sees, the source's switch being on",)},
    ),
    Mutant(
        name="asks-for-clear-data",
        breaks="Requests clear data, whatever its switch says.",
        edits=(
            Edit(
                "peer.py",
                old="            self._ban,\n            encrypt=settings.encrypt_data,",
                new="            self._ban,",
            ),
        ),
        noticed_by={
            "S95": (
                "what the relay sees, the client's switch being on",
                "what the relay sees of a stream, the client's switch being on",
            ),
        },
    ),
    Mutant(
        name="encrypts-always",
        breaks="Encrypts data even if neither side asks for it.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="encrypted = question.encrypt or self._encrypt",
                new="encrypted = True",
            ),
        ),
        noticed_by={"S95": ("what the relay sees without any switch",)},
    ),
    Mutant(
        name="gives-one-address-all-slots",
        breaks="Gives one address all slots.",
        edits=(
            Edit(
                "transfer/serve.py",
                old="DOWNLOADS = Slots(64, 16)",
                new="DOWNLOADS = Slots(64, 64)",
            ),
        ),
        noticed_by={
            "S94": ("tickets given to one address",),
            "S96": ("what is held", "what is held at last"),
        },
    ),
)
