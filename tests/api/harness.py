# SPDX-License-Identifier: Apache-2.0
"""Starts llmserved on a free port, asks it things, stops it. Nothing here sleeps for a result: it waits for a line or an answer."""
import http.client, json, os, shutil, signal, socket, subprocess, sys, tempfile, threading, time, unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("LLMSERVE_BUILD", os.getcwd())
MODEL = os.environ.get("LLMSERVE_TEST_MODEL", os.path.join(SOURCE, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"))
FAKE = os.path.join(BUILD, "tests", "api", "fake_engine")
DEADLINE = int(os.environ.get("LLMSERVE_TEST_DEADLINE", 60))  # seconds: far beyond what anything here takes, but large models or slow compilers


class Lines:
    """The lines of a stream as they come."""

    def __init__(self, stream):
        self.lines, self.changed, self.closed = [], threading.Condition(), False
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        stream.close()

    def wait_end(self, seconds=5):
        """Until all that was written is in lines, or whoever else has the stream keeps it open."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed, seconds)

    def wait(self, text, count=1):
        """The count-th line that contains text."""
        found = lambda: [l for l in self.lines if text in l]
        with self.changed:
            self.changed.wait_for(lambda: len(found()) >= count or self.closed, DEADLINE)
            if len(found()) < count:
                raise AssertionError(f"no line with {text!r} in:\n" + "\n".join(self.lines))
            return found()[count - 1]


class Reply:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


class Server:
    def __init__(self, *flags, model=None, fake=True, env=None, wait_ready=True, wait_port=True, name="m", plugins=None, listen=None, ini=None):
        """listen: a listening socket that is handed over as a service manager does it; ini: the configuration, with {model} for the toy model's path."""
        self.dir = tempfile.TemporaryDirectory(prefix="llmserve-test-")
        self.log_path, self.gate_path = self.dir.name + "/fake.log", self.dir.name + "/gate"
        if model is None:
            import toy_gguf
            model = self.dir.name + "/toy.gguf"
            toy_gguf.write(model)
        if ini:
            with open(self.dir.name + "/many.ini", "w") as f:
                f.write(ini.replace("{model}", model))
        which = ["--config", self.dir.name + "/many.ini"] if ini else ["--model", model, "--served-model-name", name]
        command = [os.path.join(BUILD, "llmserved"), "--port", "0", *which, *flags]
        command += ["--engine-path", FAKE] if fake else ["--plugin-dir", plugins or os.path.join(BUILD, ".libs")]
        environment = {**os.environ, "LLMSERVE_FAKE_LOG": self.log_path, "LLMSERVE_FAKE_GATE": self.gate_path, **(env or {})}
        if listen:
            command = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *command]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace",
                                        cwd=self.dir.name, env=environment, pass_fds=(3,) if listen else (),
                                        preexec_fn=(lambda: os.dup2(listen.fileno(), 3)) if listen else None)
        self.log, self.out = Lines(self.process.stderr), Lines(self.process.stdout)
        if listen and listen.family != socket.AF_UNIX:
            self.port = listen.getsockname()[1]
            if wait_ready:
                self.log.wait("server: ready model=")
        elif wait_port:
            self.port = int(self.log.wait("listening on http://").rsplit(":", 1)[1])
            if wait_ready:
                self.log.wait("server: ready model=")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        self.dir.cleanup()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(self, method, path, body=None, headers=None):
        c = self.connect()
        try:
            c.request(method, path, body, headers or {})
            return Reply(c.getresponse())
        finally:
            c.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, **headers):
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        return self.ask("POST", path, body, {"Content-Type": "application/json", **headers})

    def complete(self, prompt, **more):
        return self.post("/v1/completions", {"prompt": prompt, **more})

    def chat(self, content, **more):
        return self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": content}], **more})

    def load_adapter(self, name, path, **more):
        """With the admin key "a"."""
        return self.post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": path, **more}, **{"X-Api-Key": "a"})

    def unload_adapter(self, name):
        return self.post("/v1/unload_lora_adapter", {"lora_name": name}, **{"X-Api-Key": "a"})

    def stream(self, path, body):
        """The open response of a streaming request, and its connection."""
        c = self.connect()
        c.request("POST", path, json.dumps({"stream": True, **body}), {"Content-Type": "application/json"})
        return c.getresponse(), c

    def events(self, path, body):
        r, c = self.stream(path, body)
        out = list(events(r))
        c.close()
        return out

    def open_gate(self):
        open(self.gate_path, "w").close()

    def fake_lines(self, text):
        try:
            with open(self.log_path, encoding="utf-8") as f:
                return [l for l in f if text in l]
        except FileNotFoundError:
            return []

    def wait_fake(self, text, count=1):
        return wait_for(lambda: len(self.fake_lines(text)) >= count and self.fake_lines(text)[count - 1], f"fake engine: {text}")

    def metric(self, line):
        """Value of a series; line is its name, or name and part of its labels."""
        for l in self.get("/metrics").body.decode().splitlines():
            if l.startswith(line.split("{")[0]) and all(p in l for p in line.rstrip("}").split("{")[1:]):
                return float(l.rsplit(" ", 1)[1])
        raise AssertionError("no metric " + line)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        status = self.process.wait(DEADLINE)
        for lines in (self.out, self.log):
            lines.wait_end()
        return status


def wait_for(condition, what):
    """Poll what gives no event: a file, a metric."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.005)
    raise AssertionError("waited in vain for " + what)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:  # it may end while it is read
        return False


def events(response):
    """Parsed data of each server-sent event; '[DONE]' as a string; comments left out."""
    for line in response:
        line = line.decode("utf-8").rstrip("\n")
        if line.startswith("data: "):
            yield line[6:] if line == "data: [DONE]" else json.loads(line[6:])
        else:
            assert line == "" or line.startswith(":"), line


def text_of(chunks):
    """Concatenated text of choice 0."""
    out = ""
    for c in chunks:
        if c != "[DONE]":
            for choice in c.get("choices", []):
                if choice["index"] == 0:
                    out += choice["text"] if "text" in choice else choice["delta"].get("content", "")
    return out


def raw(port, data):
    s = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    s.sendall(data)
    return s


def write_folder(folder, model="qwen2-bf16", **config):
    """A Hugging Face folder: a golden model with this changed in its config.json, and a tokenizer of bytes that knows more tokens than
    the model has rows."""
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        shutil.copy(os.path.join(SOURCE, "tests/golden/model/hf", model, name), folder)
    if config:
        path = os.path.join(folder, "config.json")
        with open(path) as f:
            config = {**json.load(f), **config}
        with open(path, "w") as f:
            json.dump(config, f)
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    chars = [chr(b) for b in shown] + [chr(256 + i) for i in range(256 - len(shown))]
    vocab = {c: i for i, c in enumerate(["<0>", "<1>", "<end>", "<3>", "<4>", "<also>"] + chars)}
    added = [{"id": i, "content": c, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
             for i, c in ((2, "<end>"), (5, "<also>"), (len(vocab), "<more>"))]
    pre = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump({"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": pre, "post_processor": None, "decoder": pre,
                   "model": {"type": "BPE", "vocab": vocab, "merges": []}}, f)


def main(needs=()):
    for path in needs:
        if not os.path.exists(path):
            print(f"skipped: {path} is not there")
            sys.exit(77)
    unittest.main(verbosity=2)
