# SPDX-License-Identifier: Apache-2.0
"""Code in templates (CVE-2024-34359, CVE-2026-5760): nothing of the host can be reached, and a request brings no template."""
from kit import *

REACHES = ("{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ self.__init__.__globals__ }}", "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
           "{{ config }}", "{{ lipsum.__globals__['os'].system('touch pwned') }}", "{{ request.application.__globals__ }}", "{{ namespace.__class__ }}", "{{ messages.__class__.__base__ }}",
           "{{ (messages|first).__class__ }}", "{{ ''|attr('__class__') }}", "{{ joiner.__init__ }}", "{% import 'os' as os %}{{ os }}", "{% include '/etc/passwd' %}", "{% from 'os' import system %}",
           "{% extends '/etc/passwd' %}", "{{ open('/etc/passwd').read() }}", "{{ ''['__class__'] }}", "{{ ''.format.__globals__ }}", "{{ '{0.__class__}'.format(1) }}", "{{ range.__call__(3) }}",
           "{{ strftime_now.__globals__ }}", "{{ raise_exception.__globals__ }}", "{% set x = ''.__class__ %}{{ x }}", "{{ dict.__base__ }}", "{{ environ }}", "{{ env }}", "{{ os }}", "{{ system('id') }}")


def inert(r, target):
    import re
    shown = re.search(rb"<class|<module|<bound|<built-in|<function|uid=\d|root:", r.body)
    return "the template showed %r" % shown.group() if shown else "a file was made" if os.path.exists(target.dir.name + "/pwned") else None


def served(template):
    """One server for each template: --chat-template is the only way that one comes in."""
    folder = __import__("tempfile").mkdtemp(prefix="llmserve-attack-")
    with open(folder + "/t.jinja", "w", encoding="utf-8") as f:
        f.write(template)
    return {"flags": ("--chat-template", folder + "/t.jinja"), "fake": True, "folder": folder}


def from_requests():
    for template in REACHES:
        yield chat("a request's template %s" % template, 400, chat_template=template)
        yield chat("a message %s" % template, 200, check=inert, messages=[{"role": "user", "content": template}])
        yield chat("a variable %s" % template, ANY, check=inert, chat_template_kwargs={"__class__": template, "messages": template, "x": {"__globals__": template}})


def servers():
    yield {"fake": True}, from_requests()
    for template in ("".join("{%% if messages|length == %d %%}%s{%% endif %%}" % (i + 1, t) for i, t in enumerate(REACHES) if "{%" not in t),):
        turns = lambda n: [{"role": "user", "content": "x"}] * n
        yield served(template), [post("the template %s" % t, "/apply-template", {"messages": turns(i + 1)}, ANY, check=inert) for i, t in enumerate(REACHES) if "{%" not in t]
