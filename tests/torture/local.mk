# SPDX-License-Identifier: Apache-2.0
# Each allocation and each fallible system call of the front, and of the engine, fails once. `make check` takes some; `make torture`, all.
check_LTLIBRARIES += %D%/shim.la
%C%_shim_la_SOURCES = %D%/shim.c
%C%_shim_la_CPPFLAGS = $(AM_CPPFLAGS) -U_FORTIFY_SOURCE
%C%_shim_la_CFLAGS = $(AM_CFLAGS) -fvisibility=default
%C%_shim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
dist_check_SCRIPTS += %D%/torture_test %D%/engine_test
TESTS += %D%/torture_test %D%/engine_test
torture: all $(check_LTLIBRARIES) tests/api/fake_engine
	LLMSERVE_TORTURE_STEP=1 LLMSERVE_TORTURE_SECONDS=3600 $(srcdir)/tests/torture/torture_test
	LLMSERVE_TORTURE_STEP=1 LLMSERVE_TORTURE_SECONDS=3600 $(srcdir)/tests/torture/engine_test
.PHONY: torture
