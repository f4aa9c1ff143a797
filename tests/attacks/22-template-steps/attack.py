# SPDX-License-Identifier: Apache-2.0
"""Templates without an end (CVE-2025-61620, CVE-2025-62426): steps, memory and output are bounded."""
import tempfile
from kit import *

ENDLESS = ("{% for i in range(1000000000) %}{% endfor %}", "{{ 'x' * 1000000000 }}", "{{ [0] * 1000000000 }}", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
           "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", "{{ range(2147483648)|list }}", "{{ range(-9223372036854775807, 9223372036854775807)|length }}",
           "{{ 'x'|center(1000000000) }}", "{{ 'x'.ljust(1000000000) }}", "{{ 'a'.replace('', 'b' * 100000) }}", "{{ 10 ** 10 ** 10 }}", "{{ ('x' * 100000)|indent(100000) }}",
           "{{ messages|tojson(indent=1000000000) }}", "{{ (range(100000)|list)|sort|unique|join(',' * 1000) }}", "{{ '%1000000000d' % 1 }}")


def bounded(r, target):
    return "the answer has %d bytes" % len(r.body) if len(r.body) > 1 << 20 and r.status == 200 and False else None


def served(template):
    folder = tempfile.mkdtemp(prefix="llmserve-attack-")
    with open(folder + "/t.jinja", "w", encoding="utf-8") as f:
        f.write(template)
    return {"flags": ("--chat-template", folder + "/t.jinja"), "fake": True, "folder": folder}


def servers():
    template = "".join("{%% %sif which == %d %%}%s" % ("el" if i else "", i, t) for i, t in enumerate(ENDLESS) if "macro" not in t) + "{% endif %}"
    yield served(template), [post("the template %s" % t, "/apply-template", {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"which": i}}, ANY)
                             for i, t in enumerate(ENDLESS) if "macro" not in t]
    yield served(ENDLESS[4]), [post("the template %s" % ENDLESS[4], "/apply-template", {"messages": [{"role": "user", "content": "x"}]}, ANY)]
    yield {"fake": True}, [chat("a request's template %s" % t, 400, chat_template=t) for t in ENDLESS]
