# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/synth_gguf %D%/kl %D%/compare %D%/payload-1024.lua

noinst_PROGRAMS += %D%/step_bench
%C%_step_bench_SOURCES = %D%/step_bench.c
%C%_step_bench_LDADD = libmodel.la libqtype.la libbase.la
