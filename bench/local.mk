# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/synth_gguf %D%/kl %D%/compare %D%/low_bit %D%/returning_prompt %D%/intel_estimate

noinst_PROGRAMS += %D%/step_bench
%C%_step_bench_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
%C%_step_bench_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_step_bench_SOURCES = %D%/step_bench.c
%C%_step_bench_LDADD = libparallel.la libmodel.la libqtype.la libbase.la

# What low-bit formats cost: see doc/low-bit-format.md
noinst_PROGRAMS += %D%/quality
%C%_quality_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
%C%_quality_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_quality_SOURCES = %D%/quality.c cmd/llmserve/calibrate.c cmd/llmserve/calibrate.h
%C%_quality_LDADD = libengine.la libplugin.la libtext.la libmodel.la libconf.la libbase.la -lm

# What the front costs: `make front-bench` (a model's vocabulary is all that is used of MODEL).
noinst_PROGRAMS += %D%/front_bench
%C%_front_bench_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
%C%_front_bench_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_front_bench_SOURCES = %D%/front_bench.c
MODEL = $(abs_top_srcdir)/models/SmolLM2-135M-Instruct.Q4_1.gguf
front-bench: all $(test_plugins) %D%/front_bench
	%D%/front_bench ./llmserved $(MODEL) $(abs_builddir)/tests/fault/.libs
.PHONY: front-bench
