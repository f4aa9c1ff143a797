# SPDX-License-Identifier: Apache-2.0
"""Errors that tell of addresses, paths or names (CVE-2026-22778, CVE-2026-54236, CVE-2025-23319). The runner looks for them in every error of every class."""
from kit import *


def cases():
    for body in (b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b'{"prompt":}', b'{"prompt":"x",}', b'{"prompt":"x"}}', b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{" * 100, b'{"prompt":"\\ud800"}',
                 b'{"prompt":"\xff"}', b'{"prompt":"\xc0\xaf"}', b'{"prompt":1,"prompt":2}', b'{"a":' * 70 + b"1" + b"}" * 70, b'{"prompt":tru', bytes(1000)):
        yield post("the body %r" % body[:20], "/v1/completions", body, 400)
        yield post("the body %r of a chat" % body[:20], "/v1/chat/completions", body, 400)
    for model in ("/etc/passwd", "../../../etc/passwd", "nosuch", "", "m" * 100000, "%s%n", "\0", "m\r\nX: y", "file:///etc/passwd", "<script>"):
        yield complete("the model %r" % model[:20], REFUSED if model else ANY, model=model)
    for field in ("model", "prompt", "messages", "stop", "logit_bias", "stream", "stream_options", "tools", "tool_choice", "response_format", "user", "seed", "logprobs", "echo"):
        for value in ({"a": {"b": 1}}, [[[]]], 1.5):
            yield chat("%s is %r" % (field, value), ANY, **{field: value})
    for path in ("/v1/models/" + "a" * 900, "/v1/responses/../../etc/passwd", "/v1/responses/resp_nosuch", "/nosuch", "/v1/files", "/.git/config", "/debug/pprof", "/docs", "/cgi-bin/x"):
        yield get("GET " + path[:40], path, REFUSED)
