# SPDX-License-Identifier: Apache-2.0
"""Another's text (GHSA-wqq9-25mr-rw76): a canary that was a prompt, a reply or a key is never in an answer, an error or a metric."""
import threading
from kit import *

CANARY = "zQ7canary"


def hidden(r, target):
    return "the canary came back" if r and CANARY.encode() in r.body else None


def fill(server):
    """Prompts full of the canary in every slot, some of them cut off."""
    def one(i):
        a = complete("", prompt=(CANARY + ".") * 20, max_tokens=20, user=CANARY, cache_salt="%s%d" % (CANARY, i % 3), request_id=CANARY + str(i))
        import peer
        with peer.Peer(server.port) as p:
            p.send(a.data)
            if i % 3:
                p.response()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def logged(server):
    lines = "\n".join(server.log.lines + server.out.lines)
    assert CANARY not in lines, "the canary stands in the log"


def cases():
    yield Do("prompts with the canary", fill)
    for i in range(12):
        yield complete("another prompt %d" % i, ANY, hidden, prompt="a" * (i * 30 + 1), max_tokens=30, echo=i % 2 == 0, logprobs=5, prompt_logprobs=3)
    for name, body in (("malformed", b'{"prompt":'), ("empty", b"{}"), ("ids", b'{"prompt":[0,0,0]}'), ("short", b"{")):
        yield post("a body that is %s" % name, "/v1/completions", body, ANY, check=hidden)
    for path in ("/metrics", "/v1/models", "/server_info", "/load", "/nosuch", "/api/ps", "/version"):
        yield get(path, path, ANY, check=hidden)
    yield post("an error about a message", "/v1/chat/completions", {"messages": [{"role": "user", "content": CANARY}], "temperature": -1}, 400, check=hidden)
    yield post("an error about JSON", "/v1/completions", '{"prompt":"%s","x":}' % CANARY, 400, check=hidden)
    yield Do("the log", logged)
