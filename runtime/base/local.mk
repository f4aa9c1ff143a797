# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libbase.la libjson.la
libbase_la_SOURCES = %D%/buf.c %D%/buf.h %D%/log.c %D%/log.h %D%/utf8.c %D%/utf8.h %D%/arena.c %D%/arena.h %D%/clock.h \
	%D%/half.h %D%/fp8.h %D%/sha256.c %D%/sha256.h %D%/folder.c %D%/folder.h %D%/rights.c %D%/rights.h

# Apart from libbase.la, which plugins link too.
libjson_la_SOURCES = %D%/json.c %D%/json.h %D%/pull.c %D%/pull.h
libjson_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libjson_la_LIBADD = $(JANSSON_LIBS)

if HAVE_CHECK
base_tests = %D%/json_test %D%/buf_test %D%/utf8_test %D%/arena_test %D%/half_test %D%/sha256_test
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
%C%_buf_test_SOURCES = %D%/buf_test.c tests/suite.h
%C%_buf_test_CFLAGS = $(TEST_CFLAGS)
%C%_buf_test_LDADD = libbase.la $(TEST_LIBS)
%C%_utf8_test_SOURCES = %D%/utf8_test.c
%C%_utf8_test_CFLAGS = $(TEST_CFLAGS)
%C%_utf8_test_LDADD = libbase.la $(TEST_LIBS)
%C%_arena_test_SOURCES = %D%/arena_test.c
%C%_arena_test_CFLAGS = $(TEST_CFLAGS)
%C%_arena_test_LDADD = libbase.la $(TEST_LIBS)
%C%_sha256_test_SOURCES = %D%/sha256_test.c
%C%_sha256_test_CFLAGS = $(TEST_CFLAGS)
%C%_sha256_test_LDADD = libbase.la $(TEST_LIBS)
%C%_json_test_SOURCES = %D%/json_test.c
%C%_json_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_json_test_LDADD = libjson.la libbase.la $(TEST_LIBS)
%C%_json_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=realloc
%C%_half_test_SOURCES = %D%/half_test.c
%C%_half_test_CFLAGS = $(TEST_CFLAGS)
%C%_half_test_LDADD = $(TEST_LIBS) -lm
endif
