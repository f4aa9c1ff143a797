# SPDX-License-Identifier: Apache-2.0
"""Numbers that ask for much (CVE-2026-34756, CVE-2024-8939): each count at 0, -1, its limit, beyond it, 2^31, 2^63 and 1e308."""
from kit import *

VALUES = ("0", "-1", "1", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e308", "1.5", "1" + "0" * 400)
COUNTS = ("n", "best_of", "max_tokens", "min_tokens", "logprobs", "prompt_logprobs", "top_k", "min_keep", "repeat_last_n", "truncate_prompt_tokens", "dry_allowed_length", "dry_penalty_last_n",
          "mirostat", "seed", "priority")


def cases():
    for field in COUNTS:
        for value in VALUES:
            impossible = value in ("1e308", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400) or value == "1.5"
            yield literal("%s is %s" % (field, value[:24]), field, value, REFUSED if impossible else ANY)
    for field in ("top_logprobs", "max_completion_tokens", "thinking_token_budget", "n"):
        for value in VALUES:
            yield literal("a chat's %s is %s" % (field, value[:24]), field, value, path="/v1/chat/completions")
    for n in (128, 129, 1000000):
        yield complete("n and best_of of %d" % n, 200 if n == 128 else 400, n=n, best_of=n, max_tokens=1)
    yield complete("129 prompts", 400, prompt=["x"] * 129)
    yield complete("128 prompts, n of 128", REFUSED, prompt=["x"] * 128, n=128, max_tokens=1)
    yield complete("a beam of 128", ANY, use_beam_search=True, n=128, max_tokens=500)
    yield complete("all logprobs of all tokens", REFUSED, prompt_logprobs=-1, logprobs=-1)
    yield complete("33 stop strings", 400, stop=["a%d" % i for i in range(10000)])
    yield complete("a stop string of 1 MB", 400, stop="a" * (1 << 20))
    yield complete("a million biases", 400, logit_bias={str(i): 1 for i in range(1000000)})
    yield complete("a pattern of 2^62", ANY, repetition_detection={"max_pattern_size": 1 << 62, "min_count": 1 << 62})
