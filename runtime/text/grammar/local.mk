# SPDX-License-Identifier: Apache-2.0
# Structured output: compilers, the automaton that they make, and token masks. libtext.la takes all of it; the engine
# needs only what runs.
noinst_LTLIBRARIES += libgrammar.la libgrammarrun.la
libgrammarrun_la_SOURCES = %D%/program.c %D%/program.h %D%/pool.c %D%/threads.c %D%/threads.h %D%/json_keys.c %D%/json_keys.h \
	%D%/matcher.c %D%/matcher.h
libgrammar_la_SOURCES = %D%/builder.c %D%/builder.h %D%/dfa.c %D%/dfa.h %D%/finish.c %D%/chars.c %D%/chars.h %D%/lower.c %D%/lower.h \
	%D%/regex.c %D%/regex.h %D%/regex_nfa.h %D%/regex_dfa.c %D%/decimal.c %D%/number.c %D%/number.h %D%/format.c %D%/format.h \
	%D%/schema.c %D%/schema.h %D%/schema_parts.h %D%/schema_check.c %D%/schema_expand.c %D%/schema_build.c %D%/schema_object.c \
	%D%/schema_apart.c %D%/schema_valid.c
libgrammar_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libgrammar_la_LIBADD = libgrammarrun.la $(JANSSON_LIBS)
