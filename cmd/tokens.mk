# SPDX-License-Identifier: Apache-2.0
# The test of tokenize and detokenize.
if HAVE_CHECK
check_PROGRAMS += %D%/llmserve/tokenize_test
TESTS += %D%/llmserve/tokenize_test
%C%_llmserve_tokenize_test_SOURCES = %D%/llmserve/tokenize_test.c %D%/llmserve/tokenize.c %D%/llmserve/detokenize.c
%C%_llmserve_tokenize_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_tokenize_test_LDADD = libtoolcmd.la libtext.la libmodel.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
