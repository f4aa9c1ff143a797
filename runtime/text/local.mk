# SPDX-License-Identifier: Apache-2.0
# The tokenizer and the chat template interpreter; each adds its own sources.
noinst_LTLIBRARIES += libtext.la
libtext_la_SOURCES =
libtext_la_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) $(JANSSON_CFLAGS)
libtext_la_LIBADD = $(PCRE2_LIBS) $(UTF8PROC_LIBS) libjson.la
include runtime/text/tok.mk
include runtime/text/template.mk
