# SPDX-License-Identifier: Apache-2.0
"""Numbers that are none (CVE-2026-54235): NaN, infinities, minus nothing and denormals in every real field."""
from kit import *

FIELDS = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "typical_p", "top_n_sigma", "xtc_probability", "xtc_threshold", "dynatemp_range",
          "dynatemp_exponent", "mirostat_tau", "mirostat_eta", "dry_multiplier", "dry_base", "length_penalty")
NONE = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "nan", "inf", '"NaN"', '"1"', "1e", "0x1p3", "1.", ".5", "--1", "[1]", "true")
TINY = ("-0", "-0.0", "1e-320", "5e-324", "1e-999", "1e308", "-1e308", "0")


def cases():
    for field in FIELDS:
        for value in NONE:
            yield literal("%s is %s" % (field, value), field, value, 400)
        for value in TINY:
            yield literal("%s is %s" % (field, value), field, value, (200, 400))
    yield literal("a bias that is NaN", "logit_bias", '{"1":NaN}', 400)
    yield literal("a bias that is 1e999", "logit_bias", '{"1":1e999}', 400)
    yield literal("a bias that is 1e308", "logit_bias", '{"1":1e308}', 200)
