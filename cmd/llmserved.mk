# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += llmserved
llmserved_SOURCES = %D%/llmserved.c
llmserved_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
llmserved_LDADD = libapi.la
