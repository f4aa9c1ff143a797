# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libhttp.la
libhttp_la_SOURCES = %D%/http.h %D%/conn.c %D%/conn.h %D%/head.c %D%/parse.c %D%/parse.h %D%/reply.c %D%/server.c %D%/target.c \
	%D%/tls.c %D%/tls.h
libhttp_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(TLS_CFLAGS)
libhttp_la_LIBADD = libbase.la $(LIBEVENT_LIBS) $(TLS_LIBS)

if HAVE_CHECK
http_tests = %D%/parse_test %D%/server_test %D%/oom_test
check_PROGRAMS += $(http_tests)
TESTS += $(http_tests)
%C%_parse_test_SOURCES = %D%/parse_test.c
%C%_parse_test_CFLAGS = $(TEST_CFLAGS)
%C%_parse_test_LDADD = libhttp.la $(TEST_LIBS)
%C%_server_test_SOURCES = %D%/server_test.c
%C%_server_test_CFLAGS = $(TEST_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_server_test_LDADD = libhttp.la $(TEST_LIBS)
%C%_oom_test_SOURCES = %D%/oom_test.c
%C%_oom_test_CFLAGS = $(TEST_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_oom_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
%C%_oom_test_LDADD = libhttp.la $(TEST_LIBS)
endif
