# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += %D%/echo
%C%_echo_SOURCES = %D%/echo.c
%C%_echo_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_echo_LDADD = libhttp.la
dist_check_SCRIPTS += %D%/rfc_test.py %D%/conn_test.py
EXTRA_DIST += %D%/peer.py
TESTS += %D%/rfc_test.py %D%/conn_test.py
