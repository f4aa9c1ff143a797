# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libparallel.la
libparallel_la_SOURCES = %D%/group.c %D%/group.h %D%/link.c %D%/link.h %D%/offload.c %D%/offload.h %D%/plan.c %D%/plan.h %D%/rank.c %D%/rank.h %D%/span.c %D%/span.h
libparallel_la_LIBADD = libmodel.la libops.la

if WITH_MPI
pkglib_LTLIBRARIES += mpi.link.la
mpi_link_la_SOURCES = %D%/mpi.c
mpi_link_la_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
mpi_link_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_link_module$$'
mpi_link_la_LIBADD = libbase.la $(MPI_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += %D%/group_test %D%/link_test %D%/offload_test
TESTS += %D%/group_test %D%/link_test %D%/offload_test
%C%_offload_test_SOURCES = %D%/offload_test.c
%C%_offload_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_offload_test_CFLAGS = $(TEST_CFLAGS)
%C%_offload_test_LDADD = $(REFEXEC_LIBS)
%C%_link_test_SOURCES = %D%/link_test.c
%C%_link_test_CFLAGS = $(TEST_CFLAGS)
%C%_link_test_LDADD = libparallel.la libbase.la $(TEST_LIBS)
%C%_group_test_SOURCES = %D%/group_test.c
%C%_group_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_group_test_CFLAGS = $(TEST_CFLAGS)
%C%_group_test_LDADD = $(REFEXEC_LIBS)
endif
