"""A node for tests: docs/contract.md section 1 in a few lines, and bad habits on demand."""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

seq = 0
lock = threading.Lock()


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def event(name: str, **data: Any) -> None:
    global seq
    with lock:
        say({"type": "event", "event": name, "seq": seq, "ts": 1.5, "data": data})
        seq += 1


def accept(listener: socket.socket) -> None:
    while True:
        connection, (host, _) = listener.accept()
        connection.close()
        event("connected", host=host)


def answer(cmd: str, message: dict[str, Any]) -> dict[str, Any]:
    if cmd == "emit":
        for number in range(message["count"]):
            event("tick", number=number)
    elif cmd == "connect":
        with socket.create_connection((message["host"], message["port"]), timeout=8):
            return {}
    elif cmd == "resolve":
        return {"address": socket.gethostbyname(message["host"])}
    elif cmd == "write":
        Path(message["path"]).write_bytes(bytes(message["size"]))
    elif cmd == "say":
        print(message["text"], file=sys.stderr if message.get("err") else sys.stdout, flush=True)
    elif cmd == "exit":
        os._exit(message["code"])
    elif cmd == "stop-reading":
        threading.Event().wait()
    return {"argv": sys.argv[1:], "uid": os.getuid(), "environment": sorted(os.environ)}


address = sys.argv[1]
listener = socket.create_server((address, 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
event("ready", address=address, port=listener.getsockname()[1])
for line in sys.stdin:
    message = json.loads(line)
    try:
        data = answer(message["cmd"], message)
    except OSError as error:
        say({"type": "error", "id": message["id"], "code": "failed", "error": str(error)})
        continue
    say({"type": "result", "id": message["id"], "data": data})
    if message["cmd"] == "shutdown":
        break
