# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/synth_gguf %D%/kl %D%/compare

noinst_PROGRAMS += %D%/step_bench
%C%_step_bench_SOURCES = %D%/step_bench.c
%C%_step_bench_LDADD = libmodel.la libqtype.la libbase.la

# What low-bit formats cost: see doc/low-bit-format.md
noinst_PROGRAMS += %D%/quality
%C%_quality_SOURCES = %D%/quality.c cmd/llmserve/calibrate.c cmd/llmserve/calibrate.h
%C%_quality_LDADD = libengine.la libplugin.la libtext.la libmodel.la libconf.la libbase.la -lm
