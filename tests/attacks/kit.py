# SPDX-License-Identifier: Apache-2.0
"""What the inputs under tests/attacks are made of: one Attack each, and short makers of the usual ones.

`want` is the status that the first answer must have, or several of which it must have one; None stands for a connection that
is closed without an answer. REFUSED: any 4xx. Not a single one may be 5xx.
"""
import json, os, struct, sys

sys.dont_write_bytecode = True
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TESTS, "api"), os.path.join(TESTS, "http")]
import toy_gguf

REFUSED = tuple(range(400, 500))
ANY = (200, *REFUSED)
END = object()  # in Attack.data: the client sends no more


class Attack:
    def __init__(self, name, data, want=ANY, check=None, answers=1):
        """data: bytes, or a list of bytes and END. check(response, server) says what is wrong, or nothing."""
        self.name, self.data, self.want, self.check, self.answers = name, data, want if isinstance(want, tuple) else (want,), check, answers


class File:
    """A model that must be refused: content goes into a file, or {name: content} into a folder."""

    def __init__(self, name, content, accepted=False):
        self.name, self.content, self.accepted = name, content, accepted


class Do:
    """Anything else: run(server) raises AssertionError."""

    def __init__(self, name, run):
        self.name, self.run = name, run


def dump(body):
    return body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()


def request(method, path, body=b"", headers=(), host="Host: localhost"):
    lines = [f"{method} {path} HTTP/1.1", *([host] if host else []), *(["Content-Length: %d" % len(body)] if body or method == "POST" else []), *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(name, path, want=ANY, headers=(), **more):
    return Attack(name, request("GET", path, headers=headers), want, **more)


def post(name, path, body, want=ANY, headers=(), **more):
    return Attack(name, request("POST", path, dump(body), ["Content-Type: application/json", *headers]), want, **more)


def complete(name, want=ANY, check=None, **body):
    return post(name, "/v1/completions", {"prompt": "x", "max_tokens": 2, **body}, want, check=check)


def chat(name, want=ANY, check=None, **body):
    return post(name, "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 2, **body}, want, check=check)


def literal(name, field, text, want=ANY, path="/v1/completions"):
    """A body in which a field's value stands as it is, JSON or not."""
    head = '{"prompt":"x","max_tokens":2,' if path == "/v1/completions" else '{"messages":[{"role":"user","content":"x"}],"max_tokens":2,'
    if field == "max_tokens":
        head = head.replace('"max_tokens":2,', "")
    return post(name, path, head + '"%s":%s}' % (field, text), want)


def schema(name, value, want=ANY):
    return chat(name, want, response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": value}})


def structured(name, want=ANY, **kind):
    return chat(name, want, structured_outputs=kind)


# Model files: a GGUF file of given counts, keys and tensors, right unless the arguments are wrong.
def gguf(keys=None, tensors=None, n_keys=None, n_tensors=None, version=3, magic=b"GGUF", data=b"\0" * 128, align=32, raw_keys=b""):
    """tensors: (name, dims, type, offset)."""
    keys = toy_gguf.keys() if keys is None else keys
    tensors = [("token_embd.weight", (32,), 0, 0)] if tensors is None else tensors
    out = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    out += b"".join(toy_gguf.string(k) + (v if isinstance(v, bytes) else toy_gguf.value(v)) for k, v in keys.items()) + raw_keys
    for name, dims, kind, offset in tensors:
        out += toy_gguf.string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return out + b"\0" * (-len(out) % align) + data


def safetensors(header, data=b"\0" * 64, n=None):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head) if n is None else n) + head + data
