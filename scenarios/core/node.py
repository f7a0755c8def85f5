"""One node of a scenario: its commands, its faults and its log."""

import itertools
import json
import time
from typing import Any, Literal

from scenarios.core.always import Ending, NodeStory, is_shutdown
from scenarios.core.backends.base import Ended, Handle, Mount, NodeSpec
from scenarios.core.errors import (
    Cause,
    CommandFailed,
    NodeGone,
    UnsupportedCommand,
    WaitFailed,
)
from scenarios.core.faults import Faults
from scenarios.core.fields import text_of
from scenarios.core.log import Line, NodeLog, describe_end
from scenarios.core.scene import CheckResult
from scenarios.core.timeouts import BACKEND_S, EXIT_S, READY_S, REPLY_S
from scenarios.core.window import Window


class PendingReply:
    """A command that was sent; its window begins just before that."""

    def __init__(self, node: "Node", command: str, request_id: str, window: Window) -> None:
        self._node = node
        self._command = command
        self._id = request_id
        self.window = window

    def data(self, timeout: float = REPLY_S) -> dict[str, Any]:
        """Return the reply's data; raises CommandFailed or WaitFailed."""
        message = self.window.wait_for(
            self._accept,
            what=f"{self._node.label}: reply to {self._command}",
            wanted=f"the reply to `{self._command}` (id {self._id})",
            timeout=timeout,
            recorded=False,
        )
        if message["type"] == "result":
            data = message.get("data")
            return data if isinstance(data, dict) else {}
        code, error = str(message.get("code")), str(message.get("error"))
        kind = UnsupportedCommand if code == "unknown-command" else CommandFailed
        raise kind(self._node.label, self._command, code, error)

    def _accept(self, line: Line) -> dict[str, Any] | None:
        message = line.message
        if line.stream != "out" or message is None or message.get("id") != self._id:
            return None
        return dict(message) if message.get("type") in ("result", "error") else None


class Node:
    """A node from its start to its end. A restart makes another Node (``Trial.restart``)."""

    def __init__(self, spec: NodeSpec, label: str, log: NodeLog, faults: Faults) -> None:
        self.spec = spec
        self.name = spec.name
        self.label = label  # the name; name#2, … after restarts
        self.log = log
        self.frozen = False
        self._faults = faults
        self._scene = log.scene
        self._handle: Handle | None = None
        self._ending: Ending | None = None
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        return self.label

    # The Sink, which the backend calls.

    def line(self, stream: Literal["out", "err"], data: bytes, *, complete: bool) -> None:
        """Take one line from the backend."""
        self.log.append(stream, data, complete=complete)

    def ended(self, ended: Ended) -> None:
        """Take the node's end from the backend."""
        unexpected = self._ending is None and self.spec.expected_exit == 0
        self._scene.record(
            "node-ended",
            node=self.label,
            exit_code=ended.exit_code,
            cause=ended.cause,
            expected=not unexpected,
        )
        # A removed node may be gone before the backend can tell how it ended.
        if ended.kind == "out-of-memory" or (ended.kind == "backend-failed" and not self._ending):
            self._scene.lost_by = self._scene.lost_by or ended.kind
        self.log.end(ended)
        if unexpected:
            self._scene.in_trouble(
                "another-node-ended",
                f"{self.label} {describe_end(ended)}, though nobody had asked it to end.",
            )

    def attach(self, handle: Handle) -> None:
        """Set the backend's handle (called once, by the trial)."""
        self._handle = handle

    # State.

    @property
    def address(self) -> str:
        """Its current IP address."""
        return self._started.address

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self._handle is not None and self.log.ended is None

    @property
    def ending(self) -> Ending | None:
        """How the scenario ended it, or None if it did not."""
        return self._ending

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.log.ended.exit_code if self.log.ended else None

    def story(self) -> NodeStory:
        """Return the input of the always-on checks."""
        return NodeStory(
            node=self.label,
            lines=self.log.lines(),
            ended=self.log.ended,
            ending=self._ending,
            expected_exit=self.spec.expected_exit,
        )

    def window(self) -> Window:
        """Return a window that begins now."""
        return Window(self.log, self.log.mark())

    def everything(self) -> Window:
        """Return the window of its whole run."""
        return Window(self.log)

    def listing(self, mount: Mount) -> frozenset[str]:
        """Return the relative paths of everything below a mount, as the node sees it."""
        return self._started.listing(mount)

    def path_of(self, mount: Mount) -> str:
        """Return the path at which the node finds one of its mounts, for a command."""
        return self._started.path_of(mount)

    # Commands.

    def wait_ready(self, timeout: float = READY_S) -> None:
        """Wait for its ready event."""
        if self.spec.ready_event is not None:
            ready = self.everything().wait_event(self.spec.ready_event, timeout=timeout)
            if own_id := text_of(ready.data, self._scene.words.node_id):
                self._scene.names.setdefault(own_id, self.name)

    def send(self, command: str, **arguments: Any) -> PendingReply:
        """Send a command without waiting. Raises NodeGone if it is not running."""
        self._require_running(f"send `{command}`")
        if command in self._scene.words.ending:
            self._ending = self._ending or "asked"
        request_id = f"r{next(self._ids)}"
        text = json.dumps({"cmd": command, "id": request_id, **arguments}, ensure_ascii=False)
        return PendingReply(self, command, request_id, self.send_line(text))

    def request(
        self, command: str, *, timeout: float = REPLY_S, **arguments: Any
    ) -> dict[str, Any]:
        """Send a command and return its reply's data. Raises CommandFailed or WaitFailed."""
        return self.send(command, **arguments).data(timeout)

    def refused(
        self,
        command: str,
        *,
        containing: str = "",
        what: str | None = None,
        timeout: float = REPLY_S,
        **arguments: Any,
    ) -> CommandFailed:
        """Check that a command is refused with ``containing`` in the error; return the error."""
        title = what or f"{self.label}: {command} is refused"
        try:
            data = self.request(command, timeout=timeout, **arguments)
        except CommandFailed as error:
            met, detail = error, ""
            if containing not in error.error:
                detail = f"the error should contain {containing!r}, but is: {error.error}"
        else:
            detail = f"it was accepted, with {data!r}"
            met = CommandFailed(self.label, command, "", detail)
        self._scene.judged(self._result(title, detail))
        return met

    def send_line(self, line: str | bytes) -> Window:
        """Send one raw line, valid or not; the returned window begins just before it."""
        data = line.encode() if isinstance(line, str) else line
        handle = self._started
        window = self.window()
        if is_shutdown(self.log.append("in", data)):
            self._ending = self._ending or "asked"
        handle.write(data + b"\n")
        return window

    # Ending it.

    def close_stdin(self) -> None:
        """Close its stdin, which asks it to exit; does not wait."""
        self._require_running("close the stdin of")
        self._ending = self._ending or "asked"
        self._started.close_stdin()

    def terminate(self) -> None:
        """Send SIGTERM, which asks it to exit; does not wait."""
        self._require_running("terminate")
        self._ending = self._ending or "asked"
        self._started.terminate()

    def shutdown(self, timeout: float = EXIT_S) -> int | None:
        """Send `shutdown`, wait for the exit and return the exit code."""
        self.request("shutdown", timeout=timeout)
        return self.wait_exit(timeout)

    def wait_exit(self, timeout: float = EXIT_S) -> int | None:
        """Wait until it exits and return the exit code. Raises WaitFailed."""
        scene = self._scene
        title = f"{self.label}: ends"
        began = scene.clock.now()
        deadline = time.monotonic() + scene.timeouts.stretched(timeout, title)
        with scene.waiting():
            while self.log.ended is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                scene.condition.wait(left)
        if self.log.ended is None:
            detail = f"it still runs {scene.clock.now() - began:.1f} s after it should have ended."
            self._scene.checked(self._result(title, detail))
            raise WaitFailed(title, detail, scene.timeout_cause(), scene.picture())
        return self.log.ended.exit_code

    # Faults. Each is recorded with its time and with the line that triggered it, if any.

    def kill(self) -> None:
        """Kill it (SIGKILL, no goodbye) and wait until it is dead. Raises NodeGone."""
        with self._faults.recorded(f"kill {self.label}", self.label):
            self._require_running("kill")
            self._ending = "killed"
            self._started.kill()
            self.wait_exit(BACKEND_S)

    def freeze(self) -> None:
        """Freeze it; its connections stay open and silent."""
        with self._faults.recorded(f"freeze {self.label}", self.label):
            self._require_running("freeze")
            self._started.freeze()
            self.frozen = True

    def thaw(self) -> None:
        """Resume it after freeze."""
        with self._faults.recorded(f"thaw {self.label}", self.label):
            self._require_running("thaw")
            self._started.thaw()
            self.frozen = False

    def disconnect(self) -> None:
        """Disconnect it from the network. Raises BackendLacks if the backend cannot."""
        with self._faults.recorded(f"disconnect {self.label}", self.label):
            self._require_running("disconnect")
            self._started.disconnect()

    def reconnect(self, address: str | None = None) -> None:
        """Reconnect it, at the same address or another one."""
        where = f" as {address}" if address else ""
        with self._faults.recorded(f"reconnect {self.label}{where}", self.label):
            self._require_running("reconnect")
            self._started.reconnect(address)

    def discard(self) -> None:
        """Kill it at the scenario's end. That is no fault, and its end is not judged."""
        if self.running:
            self._ending = "killed"
            self._started.kill()

    def remove(self) -> None:
        """Remove it completely (called by the trial). Idempotent."""
        self._ending = self._ending or "removed"
        if self._handle is not None:
            self._handle.remove()
        self.log.close()

    @property
    def _started(self) -> Handle:
        if self._handle is None:
            raise NodeGone(f"{self.label} was never started.")
        return self._handle

    def _require_running(self, what: str) -> None:
        ended = self.log.ended
        if ended is not None:
            raise NodeGone(f"Cannot {what} {self.label}: it {describe_end(ended)} before.")

    def _result(self, what: str, detail: str) -> CheckResult:
        now = self._scene.clock.now()
        cause: Cause | None = "check" if detail else None
        return CheckResult(what, "check", not detail, now, now, self.label, detail, cause)
