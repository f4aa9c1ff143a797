# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libparallel.la
libparallel_la_SOURCES = %D%/group.c %D%/group.h %D%/plan.c %D%/plan.h
libparallel_la_LIBADD = libmodel.la libops.la

if HAVE_CHECK
check_PROGRAMS += %D%/group_test
TESTS += %D%/group_test
%C%_group_test_SOURCES = %D%/group_test.c
%C%_group_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_group_test_CFLAGS = $(TEST_CFLAGS)
%C%_group_test_LDADD = $(REFEXEC_LIBS)
endif
