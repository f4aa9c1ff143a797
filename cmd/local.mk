# SPDX-License-Identifier: Apache-2.0
include cmd/engine.mk
include cmd/llmserved.mk

if HAVE_CHECK
check_PROGRAMS += %D%/llmserve/inspect_test
TESTS += %D%/llmserve/inspect_test
%C%_llmserve_inspect_test_SOURCES = %D%/llmserve/inspect_test.c %D%/llmserve/inspect.c
%C%_llmserve_inspect_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_inspect_test_LDADD = libmodel.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
