# SPDX-License-Identifier: Apache-2.0
# Structured output: compilers, the automaton that they make, and token masks. libtext.la takes all of it; the engine
# needs only what runs.
noinst_LTLIBRARIES += libgrammar.la libgrammarrun.la
libgrammarrun_la_SOURCES = %D%/program.c %D%/program.h %D%/pool.c %D%/threads.c %D%/threads.h %D%/json_keys.c %D%/json_keys.h \
	%D%/matcher.c %D%/matcher.h %D%/vocab_trie.c %D%/vocab_trie.h %D%/mask.c %D%/mask.h
libgrammar_la_SOURCES = %D%/builder.c %D%/builder.h %D%/dfa.c %D%/dfa.h %D%/finish.c %D%/chars.c %D%/chars.h %D%/lower.c %D%/lower.h \
	%D%/regex.c %D%/regex.h %D%/regex_nfa.h %D%/regex_dfa.c %D%/decimal.c %D%/number.c %D%/number.h %D%/format.c %D%/format.h \
	%D%/schema.c %D%/schema.h %D%/schema_parts.h %D%/schema_check.c %D%/schema_expand.c %D%/schema_build.c %D%/schema_object.c \
	%D%/schema_apart.c %D%/schema_valid.c %D%/grammar.c %D%/grammar.h %D%/gbnf.c
libgrammar_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libgrammar_la_LIBADD = libgrammarrun.la $(JANSSON_LIBS)

noinst_PROGRAMS += %D%/mask_bench
%C%_mask_bench_SOURCES = %D%/mask_bench.c
%C%_mask_bench_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS) $(JANSSON_CFLAGS)
%C%_mask_bench_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_mask_bench_LDADD = libtext.la libgrammar.la libmodel.la libbase.la $(JANSSON_LIBS)

if HAVE_CHECK
grammar_tests = %D%/schema_test %D%/grammar_test %D%/mask_test
check_PROGRAMS += $(grammar_tests)
TESTS += $(grammar_tests)
%C%_schema_test_SOURCES = %D%/schema_test.c %D%/grammar_fixture.h
%C%_schema_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_schema_test_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
%C%_grammar_test_SOURCES = %D%/grammar_test.c %D%/grammar_fixture.h
%C%_grammar_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_grammar_test_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
%C%_mask_test_SOURCES = %D%/mask_test.c %D%/grammar_fixture.h
%C%_mask_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_mask_test_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
