"""A stand-in for qemu-system-*: speaks QMP, writes a console file and dies as it is told.  Standard library only.

Run through the wrapper that `fake_qemu_control` writes, which sets DIRECTORY.  There it finds `steps.json` (what to
play from `cont` on) and the FIFO `orders` (the same, one JSON object a line, while it runs), and leaves
`argv.json`.
Steps: {"console": TEXT}, {"hex": BYTES}, {"sleep": S}, {"event": NAME, "data": {…}}, {"words": TEXT} (standard
error), {"exit": CODE}, {"deaf": true} (ignores quit and SIGTERM from now on), {"refuse": true} (no QMP at all).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

DIRECTORY: str = globals().get("DIRECTORY", ".")

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": "fake"}, "capabilities": []}}


def option(name: str, start: str) -> dict[str, str]:
    """The fields of the first `-name` option whose value begins with `start`."""
    for flag, value in zip(sys.argv, sys.argv[1:], strict=False):
        if flag == name and value.startswith(start):
            return dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    raise SystemExit(f"fake qemu: no {name} {start}")


class FakeQemu:
    def __init__(self) -> None:
        self.directory = Path(DIRECTORY)
        console = option("-chardev", "file,id=console")["path"]
        self.console = os.open(console, os.O_WRONLY | os.O_APPEND)
        self.qmp: socket.socket | None = None
        self.deaf = False
        self.running = False
        self.buffered = b""

    def send(self, message: dict[str, Any]) -> None:
        if self.qmp is not None:
            self.qmp.sendall(json.dumps(message).encode() + b"\r\n")

    def event(self, name: str, data: dict[str, Any]) -> None:
        self.send({"timestamp": {"seconds": 1, "microseconds": 2}, "event": name, "data": data})

    def play(self, step: dict[str, Any]) -> None:
        if "console" in step:
            os.write(self.console, step["console"].encode())
        if "hex" in step:
            os.write(self.console, bytes.fromhex(step["hex"]))
        if "words" in step:
            sys.stderr.write(step["words"] + "\n")
            sys.stderr.flush()
        if "event" in step:
            self.event(step["event"], step.get("data", {}))
        if step.get("deaf"):
            self.deaf = True
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(step.get("sleep", 0.0))
        if "exit" in step:
            os._exit(step["exit"])

    def answer(self, message: dict[str, Any]) -> None:
        command = message["execute"]
        identity = {"id": message["id"]} if "id" in message else {}
        if command == "quit" and self.deaf:
            return
        if command == "human-monitor-command":
            self.send({"return": self.usernet(), **identity})
        elif command in ("qmp_capabilities", "cont", "quit"):
            self.send({"return": {}, **identity})
        else:
            self.send({"error": {"class": "CommandNotFound", "desc": f"no {command}"}, **identity})
        if command == "cont":
            self.running = True
        if command == "quit":
            self.event("SHUTDOWN", {"guest": False, "reason": "host-qmp-quit"})
            os._exit(0)

    def usernet(self) -> str:
        port = (self.directory / "port").read_text()
        return (
            "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
            f"  TCP[HOST_FORWARD]   8       127.0.0.1 {port}       10.0.2.15    22     0     0\r\n"
        )

    def hear(self) -> None:
        assert self.qmp is not None
        data = self.qmp.recv(65536)
        if not data:
            os._exit(0)
        self.buffered += data
        while True:
            text = self.buffered.decode()
            try:
                message, end = json.JSONDecoder().raw_decode(text.lstrip())
            except json.JSONDecodeError:
                return
            self.buffered = text.lstrip()[end:].encode()
            self.answer(message)

    def run(self) -> None:
        (self.directory / "argv.json").write_text(json.dumps(sys.argv))
        steps = json.loads((self.directory / "steps.json").read_text())
        orders = os.open(self.directory / "orders", os.O_RDWR)
        if not any(step.get("refuse") for step in steps):
            self.qmp = socket.socket(socket.AF_UNIX)
            self.qmp.connect(option("-chardev", "socket,id=qmp")["path"])
            self.send(GREETING)
            while not self.running:
                self.hear()
        for step in steps:
            self.play(step)
        pending = b""
        poll = select.poll()
        poll.register(orders, select.POLLIN)
        if self.qmp is not None:
            poll.register(self.qmp, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd != orders:
                    self.hear()
                    continue
                *lines, pending = (pending + os.read(orders, 65536)).split(b"\n")
                for line in lines:
                    self.play(json.loads(line))


if __name__ == "__main__":
    FakeQemu().run()
