# SPDX-License-Identifier: Apache-2.0
"""Nothing to answer (CVE-2024-8768)."""
from kit import *


def cases():
    for prompt in ("", [], [[]], [""], ["x", ""], [[1], []], None, {}, False, 0, [None], [[[1]]]):
        yield complete("the prompt %r" % (prompt,), 400, prompt=prompt)
        yield post("tokens of %r" % (prompt,), "/tokenize", {"prompt": prompt}, (200, 400) if prompt == "" else 400)
        yield post("an embedding of %r" % (prompt,), "/v1/embeddings", {"input": prompt}, 400)
    for prompt in ("\0", " ", "\n", "\u200b", "\ufeff", "<end>", "<end><also>", "<more>", "<end>" * 100):
        yield complete("only %r" % prompt[:20], ANY, prompt=prompt)
        yield chat("a message of only %r" % prompt[:20], ANY, messages=[{"role": "user", "content": prompt}])
    for messages in ([], [{}], [{"role": "user"}], [{"content": "x"}], [{"role": "user", "content": None}], [{"role": "user", "content": [None]}], [None], "x", {}, [[]], None,
                     [{"role": "user", "content": [{}]}], [{"role": "user", "content": [{"type": "text"}]}], [{"role": 1, "content": "x"}]):
        yield chat("the messages %r" % (messages,), 400, messages=messages)
    yield chat("an empty content", ANY, messages=[{"role": "user", "content": ""}])
    yield chat("a content of no parts", ANY, messages=[{"role": "user", "content": []}])
    yield post("nothing to score", "/v1/score", {"text_1": "", "text_2": []}, 400)
    yield post("nothing to rank", "/rerank", {"query": "", "documents": []}, 400)
    yield post("nothing to fill in", "/infill", {}, REFUSED)
