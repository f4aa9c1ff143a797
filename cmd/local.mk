# SPDX-License-Identifier: Apache-2.0
include cmd/engine.mk
include cmd/tokens.mk
include cmd/llmserved.mk

bin_PROGRAMS += llmserve
llmserve_SOURCES = %D%/llmserve/main.c %D%/llmserve/command.h %D%/llmserve/check_config.c %D%/llmserve/devices.c \
	%D%/llmserve/run.c %D%/llmserve/inspect.c %D%/llmserve/tokenize.c %D%/llmserve/detokenize.c \
	%D%/llmserve/token_io.c %D%/llmserve/token_io.h %D%/llmserve/render.c \
	%D%/llmserve/schema_check.c %D%/llmserve/quantize.c %D%/llmserve/calibrate.c %D%/llmserve/calibrate.h \
	%D%/llmserve/progress.c %D%/llmserve/progress.h
llmserve_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
llmserve_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS) $(JANSSON_CFLAGS)
llmserve_LDADD = libengine.la libplugin.la libtext.la libgrammar.la libmodel.la libconf.la libbase.la $(JANSSON_LIBS)

if HAVE_CHECK
check_PROGRAMS += %D%/llmserve/inspect_test
TESTS += %D%/llmserve/inspect_test
%C%_llmserve_inspect_test_SOURCES = %D%/llmserve/inspect_test.c %D%/llmserve/inspect.c
%C%_llmserve_inspect_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_inspect_test_LDADD = libmodel.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
