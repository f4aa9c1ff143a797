# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libqtype.la libmodel.la
libqtype_la_SOURCES = %D%/qtype.c
libmodel_la_SOURCES = %D%/gguf.c %D%/gguf_value.c %D%/gguf.h %D%/model.h
libmodel_la_LIBADD = libqtype.la

if HAVE_CHECK
model_tests = %D%/gguf_test
check_PROGRAMS += $(model_tests)
TESTS += $(model_tests)
%C%_gguf_test_SOURCES = %D%/gguf_test.c
%C%_gguf_test_CFLAGS = $(TEST_CFLAGS)
%C%_gguf_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
endif
