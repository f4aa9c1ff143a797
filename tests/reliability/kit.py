# SPDX-License-Identifier: Apache-2.0
"""Servers whose device fails on request, many clients at once, and the figure of each bar as the last line.

LLMSERVE_RELIABILITY=long runs the counts that the bars name; otherwise each test does the same in seconds."""
import asyncio, json, os, random, re, resource, socket, struct, sys, tempfile, time, unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "api"))
import harness
from harness import Server, wait_for

LONG = os.environ.get("LLMSERVE_RELIABILITY") == "long"
PLUGINS = os.path.join(harness.BUILD, "tests", "fault", ".libs")
SEED = int(os.environ.get("LLMSERVE_RELIABILITY_SEED", "0")) or int(time.time())
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
figures = []


def count(short, long):
    return long if LONG else short


def figure(text):
    figures.append(text)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Device(Server):
    """The real front and the real engine on the plugin `fault`; faults are its options, as fail_at=20."""

    def __init__(self, *flags, context=4096, **faults):
        self.model_dir = tempfile.TemporaryDirectory(prefix="llmserve-model-")
        folder = self.model_dir.name
        harness.write_folder(folder, max_position_embeddings=context)
        server = {k: faults.pop(k) for k in ("env", "wait_ready", "wait_port") if k in faults}
        options = [f"--backend-option=fault.{k.replace('_', '-')}={v}" for k, v in faults.items()]
        super().__init__("--backend", "fault", "--max-model-len", str(context), "--enable-prefix-caching=no", "--speculative-config", "off",
                         *options, *flags, model=folder, fake=False, plugins=PLUGINS, **server)

    def __exit__(self, *what):
        super().__exit__(*what)
        self.model_dir.cleanup()

    def engine(self):
        """Its process, once it is there."""
        return int(wait_for(lambda: children(self.process.pid), "an engine")[0])

    def ready(self):
        return self.get("/ready").status == 200

    def wait_idle(self, seconds=harness.DEADLINE):
        busy = lambda: self.metric("vllm:num_requests_running") + self.metric("vllm:num_requests_waiting")
        asyncio.run(until(lambda: busy() == 0, seconds, "an idle engine"))


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return f.read().split()
    except OSError:  # it may end while it is read
        return []


def rss(pid, what="RssAnon"):
    """Resident memory in bytes; VmRSS: with mapped files."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(what + r":\s+(\d+)", f.read()).group(1)) << 10


def n_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def request(body, path="/v1/completions", method="POST", close=True):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + (b"Connection: close\r\n" if close else b"") + b"\r\n" + data


def prompt(n, key=0):
    """Token ids of the model of write_folder()."""
    return [6 + (key * 7 + i) % 120 for i in range(n)]


def job(n_prompt=8, max_tokens=16, key=0, stream=True, **more):
    return {"prompt": prompt(n_prompt, key), "max_tokens": max_tokens, "ignore_eos": True, "temperature": 0, "stream": stream, **more}


class Answer:
    """What a raw client got of one answer, and when."""

    def __init__(self):
        self.status, self.head, self.body, self.sent_at, self.token_at, self.end_at = 0, "", b"", 0, 0, 0

    def events(self):
        return [l[6:] for l in self.body.decode("utf-8", "replace").split("\n") if l.startswith("data: ")]

    def done(self):
        return self.events()[-1:] == ["[DONE]"]

    def failed(self):
        """It ended by an error event, and claims nothing else."""
        e = self.events()
        return bool(e) and '"error"' in e[-1] and "[DONE]" not in e

    def text(self):
        return "".join(c["text"] for e in self.events() if e != "[DONE]" for c in json.loads(e).get("choices", []))


async def ask(port, body, on_event=None, **how):
    """Send, read to the end of the connection."""
    a = Answer()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request(body, **how))
        a.sent_at = time.monotonic()
        head, got = b"", b""
        while chunk := await reader.read(65536):
            got += chunk
            a.end_at = time.monotonic()
            if chunk.count(b"data: {") > (b'"error"' in chunk):
                a.token_at = a.end_at
                if on_event:
                    on_event(a)
        head, _, a.body = got.partition(b"\r\n\r\n")
        a.head = head.decode("latin-1").lower()
        a.status = int(head.split(b" ", 2)[1]) if head else 0
        if "transfer-encoding: chunked" in a.head:
            a.body = unchunk(a.body)
        a.seconds = time.monotonic() - a.sent_at
    finally:
        writer.close()
    return a


def unchunk(data):
    out = []
    while data:
        size, _, data = data.partition(b"\r\n")
        n = int(size or b"0", 16)
        if not n:
            break
        out.append(data[:n])
        data = data[n + 2:]
    return b"".join(out)


def reset(writer):
    """Close with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def until(condition, seconds, what):
    """Poll what gives no event; the seconds that it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.005)
    return time.monotonic() - start


class Prober:
    """Asks a path again and again from a thread of its own, each time on a new connection; times of the answers in seconds."""

    def __init__(self, port, path, pause=0.01):
        import threading
        self.port, self.path, self.pause, self.times, self.bad = port, path, pause, [], []
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.end.is_set():
            start = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=harness.DEADLINE) as s:
                    s.sendall(request(None, self.path, "GET"))
                    got = s.recv(4096)
                self.times.append(time.monotonic() - start)
                if not got.startswith(b"HTTP/1.1 200"):
                    self.bad.append(got[:40])
            except OSError as e:
                self.bad.append(repr(e))
            self.end.wait(self.pause)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


def main():
    for path in (os.path.join(harness.BUILD, "llmserve-engine"), os.path.join(PLUGINS, "fault.so")):
        if not os.path.exists(path):
            print(f"skipped: {path} is not there")
            sys.exit(77)
    random.seed(SEED)
    result = unittest.main(verbosity=2, exit=False).result
    sys.stderr.flush()
    print(f"seed {SEED}")
    for text in figures:
        print(text)
    sys.exit(not result.wasSuccessful())
