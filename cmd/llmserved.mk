# SPDX-License-Identifier: Apache-2.0
bin_PROGRAMS += llmserved
llmserved_SOURCES = %D%/llmserved.c %D%/health.c %D%/health.h
llmserved_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
llmserved_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
llmserved_LDADD = libapi.la
