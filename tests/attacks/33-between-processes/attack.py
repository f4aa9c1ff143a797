# SPDX-License-Identifier: Apache-2.0
"""Messages between the processes (CVE-2024-42477 to 42479, CVE-2026-34159, CVE-2025-30202, CVE-2025-32444): no port, every length checked, an engine that is fed rubbish ends in order."""
import harness, random, re, socket, subprocess, tempfile
from kit import *


def one_port(server):
    """Of the two processes only the front listens, and once."""
    inodes = {}
    for pid in server.pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                continue
            if found:
                inodes[found.group(1)] = pid
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/{server.process.pid}/net/{table}") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        listening += [(table, r[1], inodes[r[9]]) for r in rows if r[9] in inodes and (r[3] == "0A" or table.startswith("udp"))]
    assert [pid for _, _, pid in listening] == [server.process.pid], listening


def no_privileges(server):
    for pid in server.engine:
        with open(f"/proc/{pid}/status") as f:
            assert "NoNewPrivs:\t1" in f.read(), "a program that the engine starts may gain privileges"


def message(kind, payload, size=None):
    data = struct.pack("<II", 8 + len(payload) if size is None else size, kind) + payload
    return data + b"\0" * (-len(data) % 8)


def fed(data):
    """An engine of its own that gets data as the front's words."""
    def run(server):
        ours, theirs = socket.socketpair()
        flags = ["--backend", "fault", "--model", server.folder.name, "--plugin-dir", os.path.join(harness.BUILD, "tests", "fault", ".libs")]
        command = ["sh", "-c", 'exec 3<&%d; exec "$@"' % theirs.fileno(), "sh", os.path.join(harness.BUILD, "llmserve-engine"), *flags]
        with ours, tempfile.TemporaryFile() as said, subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stderr=said) as p:
            theirs.close()
            ours.settimeout(20)
            try:
                ours.sendall(data)
                ours.shutdown(socket.SHUT_WR)
                while ours.recv(1 << 16):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
            status = p.wait(20)
            said.seek(0)
            text = said.read()
        assert status >= 0 and b"Sanitizer" not in text, "it ended with %d: %r" % (status, text[-300:])
    return run


def cases():
    yield Do("one port, of the front", one_port)
    yield Do("no new privileges", no_privileges)
    submit = lambda **at: struct.pack("<Q2I", 1, at.get("n_prompt", 1), at.get("max_tokens", 1)) + bytes(at.get("rest", 400))
    for name, data in (("nothing", b""), ("a length of 0", message(64, b"", 0)), ("a length of 4", message(64, b"", 4)), ("a length of 2^32-1", message(64, b"", 0xFFFFFFFF)), ("64 MB and a byte", message(64, b"", (64 << 20) + 8)),
                       ("an unknown message", message(99, b"x" * 8)), ("a message of the engine", message(2, bytes(200))), ("an empty SUBMIT", message(64, b"")), ("a short SUBMIT", message(64, bytes(100))),
                       ("a SUBMIT of zeros", message(64, bytes(400))), ("2^32-1 prompt tokens", message(64, submit(n_prompt=0xFFFFFFFF))), ("2^31 prompt tokens", message(64, submit(n_prompt=1 << 31))),
                       ("2^32-1 tokens to make", message(64, submit(max_tokens=0xFFFFFFFF))), ("all ones", message(64, b"\xff" * 400)), ("a CANCEL of nothing", message(65, struct.pack("<Q", 77))), ("a short CANCEL", message(65, b"")),
                       ("a VOCAB of 2^32-1", message(68, struct.pack("<4I", 0xFFFFFFFF, 0, 0, 0))), ("a VOCAB whose texts descend", message(68, struct.pack("<4I", 2, 0, 0, 0) + struct.pack("<3I", 5, 3, 0))),
                       ("an adapter of 2^32-1 bytes of path", message(69, struct.pack("<2I", 1, 0xFFFFFFFF))), ("an adapter at /etc/passwd", message(69, struct.pack("<2I", 1, 11) + b"/etc/passwd")),
                       ("an adapter that is not there, unloaded", message(70, struct.pack("<2I", 9, 0))), ("HTTP", b"GET / HTTP/1.1\r\n\r\n"), ("a DRAIN", message(66, b"")), ("a DRAIN with a payload", message(66, bytes(1000)))):
        yield Do("an engine is told: " + name, fed(data))
    for seed in range(8):
        rng = random.Random(seed)
        yield Do("an engine is told: random bytes %d" % seed, fed(b"".join(message(rng.choice((64, 65, 67, 68, 69, 70)), rng.randbytes(rng.randrange(0, 800))) for _ in range(20))))
