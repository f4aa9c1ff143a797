# SPDX-License-Identifier: Apache-2.0
"""What one caller may learn of another's prompts by the prefix cache (CVE-2025-46570, CVE-2025-25183): nothing, where salts differ."""
from kit import *

TEXT = "a.prompt.that.is.long.enough.for.some.whole.blocks.of.the.cache." * 3


def cached(n_or_more, at_most):
    def check(r, target):
        n = json.loads(r.body)["usage"]["prompt_tokens_details"]["cached_tokens"]
        return None if n_or_more <= n <= at_most else "%d tokens were cached" % n
    return check


def cases():
    yield complete("the first of a salt", 200, cached(0, 0), prompt=TEXT, cache_salt="one")
    yield complete("the same salt again", 200, cached(1, 1000), prompt=TEXT, cache_salt="one")
    for salt in ("two", "on", "one ", "onee", "ONE", "\u00f6ne", "o" * 128):
        yield complete("the same prompt, salt %r" % salt[:8], 200, cached(0, 0), prompt=TEXT, cache_salt=salt)
    yield complete("no salt", 200, cached(0, 0), prompt=TEXT)
    yield complete("a salt that is part of the prompt", 200, cached(0, 0), prompt="one" + TEXT)
    yield complete("with no cache at all", 200, cached(0, 0), prompt=TEXT, cache_salt="one", cache_prompt=False)
