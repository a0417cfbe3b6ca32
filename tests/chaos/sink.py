"""sink.py -- the HTTP destinations: one process, a port each. Each request is logged before it is
answered; the answer follows the plan. A line of the log:
time, destination, n, attempt, event id, what was answered, 1 when the signature is right (else
its fields), sha256."""
import asyncio
import base64
import hashlib
import hmac
import json
import signal
import socket
import struct
import time

import plan

ANSWERS = {
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "500": b"HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken",
    "410": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"\x00\x01 this is no HTTP at all\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nnot all of i",
}


def judge_signature(headers, body):
    """"1" when it is right, else what it was made of."""
    text = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    mac = base64.b64encode(hmac.new(plan.SIGNING_KEY, text, hashlib.sha256).digest()).decode()
    if "v1," + mac in headers.get("webhook-signature", "").split():
        return "1"
    return " ".join(f"{k}={v}" for k, v in headers.items() if k.startswith("webhook-"))


class Sink(asyncio.Protocol):
    def __init__(self, shared, name):
        self.shared, self.name, self.data = shared, name, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        while True:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.data[:end].decode("latin-1").split("\r\n")[1:]
            headers = {k.lower(): v.strip() for k, v in (x.split(":", 1) for x in lines)}
            length = int(headers.get("content-length", "0"))
            if len(self.data) < end + 4 + length:
                return
            body = self.data[end + 4:end + 4 + length]
            self.data = self.data[end + 4 + length:]
            self.take(headers, body)

    def take(self, headers, body):
        try:
            n = json.loads(body)["n"]
        except (ValueError, KeyError):
            n = -1
        seen = self.shared.seen.get((self.name, n), 0)
        self.shared.seen[self.name, n] = seen + 1
        how = self.shared.stage.answer(self.shared.seed, self.name, n, seen)
        if self.shared.generous.value and how in ("hang", "429"):
            how = "500"  # towards the end nobody waits for what only takes time
        event_id = headers.get("gaff-event-id") or headers.get("webhook-id")
        self.shared.log.write(
            f"{time.monotonic():.6f}\t{self.name}\t{n}\t{headers.get('gaff-attempt')}\t"
            f"{event_id}\t{how}\t{judge_signature(headers, body)}\t"
            f"{hashlib.sha256(body).hexdigest()}\n")
        self.answer(how)

    def answer(self, how):
        if how == "hang":
            return
        if how == "slow":
            asyncio.get_running_loop().call_later(0.15, self.answer, "200")
        elif how == "reset":
            s = self.transport.get_extra_info("socket")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.write(ANSWERS[how])
            if how in ("garbage", "cut"):
                self.transport.close()


class Shared:
    pass


def main(seed, stage, sockets, path, generous):
    """stage: plan.Hub or plan.Messages."""
    shared = Shared()
    shared.seed, shared.stage, shared.seen, shared.generous = seed, stage, {}, generous
    shared.log = open(path, "a", buffering=1 << 16, encoding="ascii")

    async def serve():
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for name, sock in sockets.items():
            await loop.create_server(lambda name=name: Sink(shared, name), sock=sock)
        await stop.wait()
        shared.log.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve())
