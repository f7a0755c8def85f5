"""How the sources of a download agree, and how they share its work."""

from scenarios.audit.mutant import Edit, Mutant

MUTANTS = (
    Mutant(
        name="plans-all-on-one",
        breaks="Plans every chunk on the first source, and lets no other take over.",
        edits=(
            Edit(
                "transfer/plan.py",
                old="source = min(totals, key=lambda s: (totals[s], len(shares[s])))",
                new="source = next(iter(totals))",
            ),
            Edit(
                "transfer/plan.py",
                old="WORTHWHILE_S = 2.0\n",
                new="WORTHWHILE_S = math.inf\n",
            ),
        ),
        noticed_by={
            "S14": (
                "chunks by source",
                "bytes by source",
                "who served",
            ),
            "S16": (
                "chunks of the archive by source",
                "who delivered bytes",
                "who served",
            ),
        },
    ),
    Mutant(
        name="fetches-twice",
        breaks="Plans every chunk on two sources, so that each comes twice.",
        edits=(
            Edit(
                "transfer/plan.py",
                old="        totals[source] += piece.length\n",
                new="        totals[source] += piece.length\n"
                "        for other in totals:\n"
                "            if other != source:\n"
                "                shares[other].append(piece)\n",
            ),
        ),
        noticed_by={
            "S7": ("always: finished bytes are the manifest's",),
        },
    ),
    Mutant(
        name="cuts-small-chunks",
        breaks="Cuts files into chunks of 16 MiB.",
        edits=(
            Edit("transfer/manifest.py", old="CHUNK_SIZE = 128 << 20", new="CHUNK_SIZE = 16 << 20"),
        ),
        noticed_by={
            "S18": (
                "chunks finished before the fault",
                "chunks of the archive, finished by the survivor",
            ),
            "S19": ("chunks finished before the fault",),
        },
    ),
    Mutant(
        name="never-retries",
        breaks="Does not reassign the work of a lost source.",
        edits=(
            Edit(
                "transfer/plan.py",
                old="            self._assign([*load.in_flight, *load.queue])\n",
                new="            self._assign([])\n",
            ),
        ),
        noticed_by={
            "S18": ("client: download-finished of bf1942",),
        },
    ),
    Mutant(
        name="takes-the-first-of-equals",
        breaks="Lets the first group of sources win a tie.",
        edits=(
            Edit(
                "transfer/agreement.py",
                old="vote.digest in largest] if len(largest) == 1 else []",
                new="vote.digest in largest[:1]]",
            ),
        ),
        noticed_by={
            "S8": ("client: download-failed of ggoo",),
            "S17": ("client: download-failed of cnc4",),
        },
    ),
    Mutant(
        name="credits-the-wrong-source",
        breaks="Reports its own address as a chunk's source.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                peer_addr=str(source.addr),\n",
                new="                peer_addr=source.session.local_ip,\n",
            ),
        ),
        noticed_by={
            "S4": ("who served",),
            "S7": ("who served",),
            "S11": ("addresses that served",),
            "S13": (
                "who served bfbc2",
                "who served alienswarm",
            ),
            "S15": ("who served",),
            "S23": ("who served",),
            "S24": (
                "who served first",
                "who served second",
            ),
            "S26": ("who served",),
            "S28": ("addresses that served",),
            "S31": ("who served",),
            "S36": ("who served",),
            "S40": (
                "who served cod5 to observer",
                "who served cod5 to late",
            ),
            "S42": ("who served bfbc2",),
            "S72": ("addresses that served bfbc2", "addresses that served ggoo"),
        },
    ),
    Mutant(
        name="names-no-source",
        breaks="Lists no source in download-begin.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                    for source in self._sources\n                ],\n",
                new="                    for source in self._sources[:0]\n                ],\n",
            ),
        ),
        noticed_by={
            "S4": ("sources of download-begin",),
            "S14": ("sources",),
            "S15": ("sources",),
            "S16": ("sources",),
            "S36": ("sources",),
        },
    ),
    Mutant(
        name="credits-the-parts-in-reverse",
        breaks="Reports the sources of a chunk's parts in reverse.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                        peer_id=delivery.source, offset=delivery.offset, "
                "length=delivery.length\n"
                "                    )\n"
                "                    for delivery in self.schedule.deliveries(chunk)\n",
                new="                        peer_id=other.source, offset=delivery.offset, "
                "length=delivery.length\n"
                "                    )\n"
                "                    for delivery, other in zip(\n"
                "                        self.schedule.deliveries(chunk),\n"
                "                        self.schedule.deliveries(chunk)[::-1],\n"
                "                    )\n",
            ),
        ),
        noticed_by={
            "S18": (
                "who began the interrupted chunk",
                "who delivered the rest of it",
            ),
        },
    ),
    Mutant(
        name="tells-parts-askew",
        breaks="Reports a part of a chunk as one byte at a wrong offset.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="offset=delivery.offset, length=delivery.length",
                new="offset=delivery.offset + 1, length=1",
            ),
        ),
        noticed_by={
            "S18": (
                "every byte of every chunk came once",
                "where it began",
                "bytes kept of it",
                "bytes kept are whole blocks",
            ),
            "S56": ("every byte of every chunk came once",),
            "S58": ("every byte of every chunk came once",),
        },
    ),
    Mutant(
        name="tells-one-part",
        breaks="Reports every chunk as delivered by a single source.",
        edits=(
            Edit(
                "transfer/fetch.py",
                old="                    for delivery in self.schedule.deliveries(chunk)\n",
                new="                    for delivery in self.schedule.deliveries(chunk)[:1]\n",
            ),
        ),
        noticed_by={
            "S18": ("chunks that two delivered: the interrupted one",),
        },
    ),
)
