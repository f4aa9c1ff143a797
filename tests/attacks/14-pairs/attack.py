# SPDX-License-Identifier: Apache-2.0
"""Options that meet (CVE-2026-44223: a penalty and speculation): every two values of every two options at least once."""
import itertools, random
from kit import *

TABLE = {"temperature": [0, 1, 5], "top_p": [1, 0.01], "top_k": [-1, 1, 1000], "min_p": [0, 1], "presence_penalty": [0, 2], "frequency_penalty": [0, -2], "repetition_penalty": [1, 100],
         "n": [1, 3], "logprobs": [None, 5], "echo": [False, True], "seed": [None, 1], "stop": [None, "a"], "logit_bias": [None, {"65": 100}], "ignore_eos": [False, True],
         "min_tokens": [0, 3], "max_tokens": [3, 40], "mirostat": [0, 2], "dry_multiplier": [0, 2], "typical_p": [1, 0.1], "xtc_probability": [0, 1], "structured_outputs": [None, {"regex": "a{1,9}"}],
         "prompt_logprobs": [None, 2], "allowed_token_ids": [None, [65, 66, 2]], "bad_words": [None, ["a"]], "cache_prompt": [True, False], "repetition_detection": [None, {"max_pattern_size": 2, "min_count": 2}],
         "use_beam_search": [False, True]}


def rows():
    names, rng = list(TABLE), random.Random(1)
    left = {(a, i, b, j) for a, b in itertools.combinations(names, 2) for i in range(len(TABLE[a])) for j in range(len(TABLE[b]))}
    while left:
        a, i, b, j = min(left)
        tries = [{**{n: rng.randrange(len(TABLE[n])) for n in names}, a: i, b: j} for _ in range(20)]
        row = max(tries, key=lambda r: sum(r[x] == k and r[y] == m for x, k, y, m in left))
        left = {(x, k, y, m) for x, k, y, m in left if not (row[x] == k and row[y] == m)}
        yield {n: TABLE[n][k] for n, k in row.items()}


def cases():
    for i, row in enumerate(rows()):
        yield complete("row %d" % i, ANY, prompt="aaaa.bbbb.aaaa.bbbb", **row)
