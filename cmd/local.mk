# SPDX-License-Identifier: Apache-2.0

include cmd/engine.mk
include cmd/tokens.mk
include cmd/llmserved.mk

bin_PROGRAMS += llmserve
# What the subcommands share, in a library so that their tests link it too.
noinst_LTLIBRARIES += libtoolcmd.la
libtoolcmd_la_SOURCES = %D%/llmserve/command.h %D%/llmserve/command.c %D%/llmserve/options.h %D%/llmserve/options.c \
	%D%/llmserve/client.h %D%/llmserve/client.c %D%/llmserve/target.h %D%/llmserve/target.c %D%/llmserve/child.h %D%/llmserve/child.c \
	%D%/llmserve/local.h %D%/llmserve/local.c %D%/llmserve/progress.h %D%/llmserve/progress.c %D%/llmserve/prompt.h %D%/llmserve/prompt.c \
	%D%/llmserve/talk.h %D%/llmserve/talk.c %D%/llmserve/text.h %D%/llmserve/text.c %D%/llmserve/token_io.h %D%/llmserve/token_io.c \
	%D%/llmserve/bench/series.h %D%/llmserve/bench/series.c %D%/llmserve/bench/dataset.h %D%/llmserve/bench/dataset.c \
	%D%/llmserve/bench/load.h %D%/llmserve/bench/load.c %D%/llmserve/bench/metrics.h %D%/llmserve/bench/metrics.c %D%/llmserve/bench/report.c \
	%D%/llmserve/bench/plot.h %D%/llmserve/bench/plot.c %D%/llmserve/bench/server.h %D%/llmserve/bench/server.c \
	%D%/llmserve/bench/table.h %D%/llmserve/bench/table.c %D%/llmserve/bench/random.h
libtoolcmd_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(LIBCURL_CFLAGS) $(LIBEDIT_CFLAGS)
libtoolcmd_la_LIBADD = libengine.la libplugin.la libtext.la libgrammar.la libmodel.la libconf.la libbase.la $(JANSSON_LIBS) $(LIBCURL_LIBS) $(LIBEDIT_LIBS)

llmserve_SOURCES = %D%/llmserve/main.c %D%/llmserve/commands.c %D%/llmserve/batch.c %D%/llmserve/bench/bench.h %D%/llmserve/bench/bench.c \
	%D%/llmserve/bench/kernels.c %D%/llmserve/bench/latency.c %D%/llmserve/bench/serve.c %D%/llmserve/bench/startup.c %D%/llmserve/bench/throughput.c \
	%D%/llmserve/calibrate.c %D%/llmserve/calibrate.h %D%/llmserve/chat.c %D%/llmserve/check_config.c %D%/llmserve/complete.c \
	%D%/llmserve/completion.c %D%/llmserve/detokenize.c %D%/llmserve/devices.c %D%/llmserve/doctor.c %D%/llmserve/inspect.c \
	%D%/llmserve/perplexity.c %D%/llmserve/quantize.c %D%/llmserve/render.c %D%/llmserve/run.c %D%/llmserve/schema_check.c %D%/llmserve/tokenize.c
llmserve_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
llmserve_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS) $(JANSSON_CFLAGS)
llmserve_LDADD = libtoolcmd.la

if HAVE_CHECK
tool_tests = %D%/llmserve/inspect_test %D%/llmserve/options_test %D%/llmserve/text_test %D%/llmserve/bench/bench_test
check_PROGRAMS += $(tool_tests)
TESTS += $(tool_tests)
%C%_llmserve_options_test_SOURCES = %D%/llmserve/options_test.c
%C%_llmserve_options_test_CFLAGS = $(TEST_CFLAGS)
%C%_llmserve_options_test_LDADD = libtoolcmd.la $(TEST_LIBS)
%C%_llmserve_text_test_SOURCES = %D%/llmserve/text_test.c
%C%_llmserve_text_test_CFLAGS = $(TEST_CFLAGS)
%C%_llmserve_text_test_LDADD = libtoolcmd.la $(TEST_LIBS)
%C%_llmserve_bench_bench_test_SOURCES = %D%/llmserve/bench/bench_test.c
%C%_llmserve_bench_bench_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_bench_bench_test_LDADD = libtoolcmd.la $(TEST_LIBS)
%C%_llmserve_inspect_test_SOURCES = %D%/llmserve/inspect_test.c %D%/llmserve/inspect.c
%C%_llmserve_inspect_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_inspect_test_LDADD = libtoolcmd.la libmodel.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
