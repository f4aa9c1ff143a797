# SPDX-License-Identifier: Apache-2.0
"""Negative and odd integers (CVE-2026-21869), ids beyond the vocabulary, salts of 1 MB."""
from kit import *

IDS = (-1, -2147483648, 2147483647, 2147483648, 4294967295, 4294967296, 9223372036854775807, 1000000, 0.5, True, None, "1", [1], 1e300)


def cases():
    for i in IDS:
        yield complete("the token %r" % (i,), 200 if i == "1" or i == [1] else 400, prompt=[i])
        yield complete("the token %r among others" % (i,), 400, prompt=[[1, 2], [1, i]])
        yield complete("the stop token %r" % (i,), 400, stop_token_ids=[i])
        yield complete("the allowed token %r" % (i,), 400, allowed_token_ids=[i])
        yield post("/detokenize of %r" % (i,), "/detokenize", {"tokens": [i]}, 400)
        yield post("an embedding of %r" % (i,), "/v1/embeddings", {"input": [[1, i]]}, REFUSED)
    for key in ("-1", "1e3", "0x10", " 1", "1 ", "99999999999999999999", "", "１", "1000000", "+1"):
        yield complete("a bias of token %r" % key, 400, logit_bias={key: 1})
    for value in ("x", None, [], {}, True):
        yield complete("a bias of %r" % (value,), 400, logit_bias={"1": value})
    yield complete("a salt of 1 MB", 400, cache_salt="s" * (1 << 20))
    yield complete("a salt of no bytes", 400, cache_salt="")
    yield complete("a request id of 1 MB", REFUSED, request_id="s" * (1 << 20))
    yield complete("a user of 1 MB", ANY, user="u" * (1 << 20))
    yield complete("a million stop tokens", 400, stop_token_ids=[1] * 1000000)
    yield complete("a million tokens", 400, prompt=[1] * 1000000)
    yield post("a million tokens to /detokenize", "/detokenize", {"tokens": [65] * 1000000}, ANY)
    yield complete("no token is allowed", 400, allowed_token_ids=[])
    yield complete("every token is forbidden", ANY, logit_bias={str(i): -100 for i in range(262)})
