# SPDX-License-Identifier: Apache-2.0
# Calls of tools and reasoning in what models write: a parser and a grammar for each syntax.
noinst_LTLIBRARIES += libtools.la
libtools_la_SOURCES = %D%/said.c %D%/said.h %D%/tools.h %D%/syntax.h %D%/parser.c %D%/json_call.c %D%/tags.c %D%/marked.c %D%/list.c \
	%D%/syntaxes.c %D%/reasoning.c %D%/grammar.c %D%/grammar.h %D%/grammar_parts.h %D%/members.c \
	%D%/hermes.c %D%/llama3_json.c %D%/mistral.c %D%/qwen3_coder.c %D%/deepseek_v3.c %D%/glm45.c %D%/kimi_k2.c %D%/openai.c %D%/pythonic.c
libtools_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libtools_la_LIBADD = libgrammar.la libjson.la

EXTRA_DIST += tests/golden/tools

if HAVE_CHECK
tools_tests = %D%/tools_test %D%/grammar_test
check_PROGRAMS += $(tools_tests)
TESTS += $(tools_tests)
%C%_tools_test_SOURCES = %D%/tools_test.c
%C%_tools_test_CPPFLAGS = $(AM_CPPFLAGS) -DTOOLS_DIR='"$(abs_top_srcdir)/tests/golden/tools"'
%C%_tools_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_tools_test_LDADD = libtools.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
%C%_grammar_test_SOURCES = %D%/grammar_test.c
%C%_grammar_test_CPPFLAGS = $(AM_CPPFLAGS) -DTOOLS_DIR='"$(abs_top_srcdir)/tests/golden/tools"'
%C%_grammar_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_grammar_test_LDADD = libtools.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
