# SPDX-License-Identifier: Apache-2.0
"""Patterns that backtracking engines die of (CVE-2026-55574, CVE-2025-48887, GHSA-j828-28rj-hfhp)."""
from kit import *


def cases():
    for pattern in ("(a+)+b", "(a|a)+b", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){20}", "(x+x+)+y", "(a?){25}a{25}", "([a-zA-Z]+)*", "(a|b|ab)*c", "(.*)(.*)(.*)(.*)(.*)x", "(a{1,50}){1,50}b",
                    "[ab]*a[ab]{12}", "[ab]*a[ab]{200}", "(0|1)*1(0|1){30}", "(?:a|b)*a(?:a|b){100}", ".*.*.*.*.*.*.*x", "(\\w+\\s?)*:", "(?:.|\\n)*?end", "((a*)*)*b", "(a*a*)*b", "(.{1,9}){1,99}z",
                    "(\\d+(,\\d+)*)+", "^(a?)*$", "(?:(?:a+)+)+$", "\\s*(\\S+\\s*)*$"):
        for kind in ("regex", "schema"):
            if kind == "regex":
                yield structured("the pattern %r" % pattern, ANY, regex=pattern)
            else:
                yield schema("a string of %r" % pattern, {"type": "string", "pattern": pattern}, ANY)
