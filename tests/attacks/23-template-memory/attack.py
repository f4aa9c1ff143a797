# SPDX-License-Identifier: Apache-2.0
"""Templates that reach beyond what is there (GHSA-q9j6-4hhc-rq9p, GHSA-2q4c-9gq5-5vfp)."""
from kit import *

BEYOND = ("{{ [1,2,3][1000000000000000000] }}", "{{ 'abc'[-9223372036854775807:9223372036854775807:-1] }}", "{{ 'abc'[5:1] }}", "{{ 'abc'[::0] }}",
          "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 / 0 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 9223372036854775807 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ messages[9].content }}",
          "{{ messages[0].nosuch.nosuch }}", "{{ none.x }}", "{{ [][0] }}", "{{ ''[0] }}", "{{ {}['a']['b'] }}", "{{ 'a' + 1 }}", "{{ 1 + none }}", "{{ nosuch() }}", "{{ [1]|map('nosuch')|list }}",
          "{{ [1,'a',none]|sort }}", "{{ 'abc'.split('') }}", "{{ 'abc'|replace }}", "{{ messages|tojson|tojson|tojson }}", "{{ 'é'[0] }}", "{{ '\U0001f600'[0] }}", "{{ 'a'|truncate(-1) }}",
          "{{ 'a'.join([1, none, [2]]) }}", "{{ dict(a=1).items()|list }}", "{{ range(5)[7] }}", "{{ 1e999 }}", "{{ 1e308 * 10 }}", "{{ 'x' * -1 }}", "{{ [1] * -1 }}", "{{ raise_exception('x' * 100000) }}",
          "{{ raise_exception() }}", "{{ strftime_now('%' * 10000) }}", "{{ strftime_now('%1000000000Y') }}", "{{ loop.index }}", "{{ caller() }}", "{{ super() }}", "{{ self }}", "{{ varargs }}")
BROKEN = ("{{ '\\ud800' }}", "{{ 'x'|nosuch }}", "{{ 'abc'[-9223372036854775808:9223372036854775807:-1] }}", "{{ [1,2,3][-9223372036854775808] }}", "{{", "{%", "{#", "{% if %}", "{% for %}{% endfor %}", "{% endif %}", "{{ ( }}", "{{ [1, }}", "{{ 'x }}", "{% if x %}", "{% for a in b %}", "{{ a b }}", "{{ 1 + }}", "{% set %}", "{% set a.b.c = 1 %}",
          "{% macro %}", "{{ x|}}", "{{ .x }}", "{{ " + "(" * 10000 + " }}", "{{ " + "[" * 10000, "{% if x %}" * 5000, "{{ " + "not " * 10000 + "x }}", "{{ " + "-" * 10000 + "1 }}", "\0{{ x }}", "{{ '" + "\\" * 999 + "' }}",
          "{{ x" + ".x" * 20000 + " }}", "{{ x" + "|trim" * 20000 + " }}", "{{ 1" + "+1" * 100000 + " }}")


def servers():
    served = load("22-template-steps").served
    template = "".join("{%% %sif which == %d %%}%s" % ("el" if i else "", i, t) for i, t in enumerate(BEYOND)) + "{% endif %}"
    yield served(template), [post("the template %s" % t, "/apply-template", {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": {"which": i}}, ANY) for i, t in enumerate(BEYOND)]
    yield None, [File("a model with the template %r" % t[:30], gguf(toy_gguf.keys(chat_template=t)), None) for t in BROKEN]


def load(folder):
    import importlib.util
    spec = importlib.util.spec_from_file_location("steps", os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), folder, "attack.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
