# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libplugin.la
libplugin_la_SOURCES = %D%/registry.c %D%/registry.h

if HAVE_CHECK
check_PROGRAMS += %D%/registry_test
TESTS += %D%/registry_test
%C%_registry_test_SOURCES = %D%/registry_test.c
%C%_registry_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS)
%C%_registry_test_CFLAGS = $(TEST_CFLAGS)
%C%_registry_test_LDADD = libplugin.la $(TEST_LIBS)
endif
