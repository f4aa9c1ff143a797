# SPDX-License-Identifier: Apache-2.0
"""The client side of the HTTP tests: a raw socket, a strict reader of responses, the server under test."""
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess

PATIENCE = 30  # seconds until a test gives up; nothing waits this long unless it is broken
ECHO = os.environ.get("HTTP_ECHO", "tests/http/echo")


class Response:
    def __init__(self, status, headers, body, whole):
        self.status, self.headers, self.body, self.whole = status, headers, body, whole

    def json(self):
        return json.loads(self.body)


class Peer:
    def __init__(self, port, rcvbuf=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect(("127.0.0.1", port))
        self.got = bytearray()
        self.reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """False if the server had closed already."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def send_bytewise(self, data):
        return all(self.send(data[i:i + 1]) for i in range(len(data)))

    def abort(self):
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def more(self):
        """Read once; False at the end."""
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            self.reset = True
            return False
        self.got += data
        return bool(data)

    def readable(self, seconds):
        return bool(self.got) or bool(select.select([self.sock], [], [], seconds)[0])

    def until(self, mark):
        while mark not in self.got:
            if not self.more():
                raise AssertionError("the server closed in mid-message, after %r" % self.got[-80:])
        return self.cut(self.got.index(mark), len(mark))

    def cut(self, n, n_mark=0):
        piece = bytes(self.got[:n])
        del self.got[:n + n_mark]
        return piece

    def take(self, n):
        while len(self.got) < n:
            if not self.more():
                raise AssertionError("the server closed in mid-body")
        return self.cut(n)

    def chunked(self):
        pieces = []
        while True:
            n = int(self.until(b"\r\n"), 16)
            pieces.append(self.take(n))
            assert self.take(2) == b"\r\n"
            if n == 0:
                return b"".join(pieces)

    def response(self, head_only=False):
        lines = self.until(b"\r\n\r\n").split(b"\r\n")
        version, status, _ = lines[0].split(b" ", 2)
        assert version == b"HTTP/1.1", version
        headers = {}
        for line in lines[1:]:
            name, value = line.split(b": ", 1)
            assert name.lower() not in headers, "%r is repeated" % name
            headers[name.lower().decode()] = value.decode()
        status = int(status)
        if 200 <= status < 500:
            assert headers["date"].endswith(" GMT")
        assert status < 200 or headers["server"] == "llmserve"
        whole = True
        if head_only or status in (204, 304) or status < 200:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers
            body = self.chunked()
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            while self.more():
                pass
            body, whole = self.cut(len(self.got)), not self.reset
        return Response(status, headers, body, whole)

    def ended(self):
        """The server closed and sent nothing more."""
        return not self.got and not self.more()


class Server:
    def __init__(self, *limits, n_files=None, measured=False):
        def prepare():
            if n_files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files))
        env = dict(os.environ)
        if measured:  # no memory that AddressSanitizer keeps back
            env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        self.process = subprocess.Popen([ECHO, *limits], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=prepare, env=env)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=PATIENCE)[1]
        status = self.process.returncode
        assert kind or (status == 0 and not said), "the server ended with status %d and said %s" % (status, said.decode())

    def peer(self, **options):
        return Peer(self.port, **options)

    def get(self, path):
        with self.peer() as p:
            p.send(b"GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" % path.encode())
            return p.response()

    def stat(self):
        return self.get("/stat").json()

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))
