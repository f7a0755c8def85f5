"""Mutants that are wrong about links: when they are over, and whose they are."""

from scenarios.audit.mutant import Edit, Mutant
from scenarios.families.tunnel.mutants.streams import foreign

# Why hostile links are ended.
_REASONS = (
    "a message is not binary",
    "there is no kind 99 of frame",
    "a frame of 4294967295 bytes is longer than its message",
    "a stream's frame came before the handshake",
    "there is no stream 999",
    "more than 4096 streams are open",
)

MUTANTS = (
    Mutant(
        name="ends-streams-orderly-with-their-link",
        breaks="Ends the streams of a link that is lost as if they had come to their end.",
        edits=(
            Edit(
                "link.py",
                old='            stream.close("link-lost")',
                new='            stream.close("failover")',
            ),
        ),
        noticed_by={"T64": ("how the open stream ended",)},
    ),
    Mutant(
        name="is-too-patient",
        breaks="Gives a silent link up three times as late as it should, and calls it closed.",
        edits=(
            Edit(
                "link.py",
                old="        if silent_s >= self._dead_after_s:\n"
                '            self._reason = "timeout"',
                new="        if silent_s > 3 * self._dead_after_s:\n"
                '            self._reason = "closed"',
            ),
        ),
        noticed_by={"T65": ("why the frozen one is gone", "seconds until it is given up")},
    ),
    Mutant(
        name="lets-twins-take-over",
        breaks="Takes a client whose id is online already, and drops the one that was there.",
        edits=(Edit("server.py", old="await twin.answers(TWIN_ANSWERS_S)", new="False"),),
        noticed_by={
            "T67": (
                "why the twin is refused",
                "times that client 1 went",
                "times that client 1 went, after the crash",
                "times that it came",
            )
        },
    ),
    Mutant(
        name="takes-any-token",
        breaks="Takes clients whatever they prove.",
        edits=(
            Edit(
                "server.py",
                old="        if not hmac.compare_digest(hello.proof.encode(), wanted.encode()):",
                new="        if not hmac.compare_digest(wanted.encode(), wanted.encode()):",
            ),
        ),
        noticed_by={
            "T70": ("why a stranger is refused", "who is online", "answer to a replayed proof")
        },
    ),
    Mutant(
        name="proves-nothing",
        breaks="Welcomes clients without proof of the token.",
        edits=(Edit("server.py", old="wire.Welcome(proof=proven)", new='wire.Welcome(proof="")'),),
        noticed_by={"T73": foreign("the server's proof is right")},
    ),
    Mutant(
        name="keeps-reasons-to-itself",
        breaks="Ends a link that breaks the protocol without a reason.",
        edits=(
            Edit(
                "link.py",
                old="            self.drop(str(error), WSCloseCode.PROTOCOL_ERROR)",
                new='            self.drop("", WSCloseCode.PROTOCOL_ERROR)',
            ),
        ),
        noticed_by={"T71": tuple(f"end of a link: {reason}" for reason in _REASONS)},
    ),
    Mutant(
        name="forgets-why-it-was-closed",
        breaks="Does not tell the reason with which the other side closed the WebSocket.",
        edits=(Edit("link.py", old="frame.get_close_reason() or ", new=""),),
        noticed_by={"T73": foreign("why it went")},
    ),
    Mutant(
        name="pins-nothing",
        breaks="Takes peers whose certificates it trusts whatever keys are pinned.",
        edits=(Edit("tls.py", old="    if pins is None:\n", new="    if pins is None or pins:\n"),),
        noticed_by={
            "T69": ("why unpinned is refused", "why pins-another is refused", "who was online")
        },
    ),
    Mutant(
        name="takes-pinned-keys-of-any-authority",
        breaks="Asks for no authority where keys are pinned.",
        edits=(
            Edit("tls.py", old="    if config.tls.trusted_ca is None:\n", new="    if True:\n"),
        ),
        noticed_by={
            "T69": ("why foreign is refused", "why trusts-another is refused", "who was online")
        },
    ),
    Mutant(
        name="forgives-expiry",
        breaks="Takes certificates whose time is over.",
        edits=(
            Edit(
                "tls.py",
                old="    # Pinned certificates are trusted directly, since",
                new="    context.verify_flags |= ssl.VerifyFlags(0x200000)\n"
                "    # Pinned certificates are trusted directly, since",
            ),
        ),
        noticed_by={"T69": ("why expired is refused", "why of-stale is refused", "who was online")},
    ),
    Mutant(
        name="serves-plain-http",
        breaks="Speaks http where https is asked for.",
        edits=(
            Edit(
                "tls.py",
                old="    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n",
                new="    return None\n",
            ),
        ),
        noticed_by={
            "T69": ("why plain is refused", "what became of the right one", "who was online")
        },
    ),
)
