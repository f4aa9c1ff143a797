# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libplugin.la
libplugin_la_SOURCES = %D%/elf.c %D%/elf.h %D%/registry.c %D%/registry.h

if HAVE_CHECK
check_PROGRAMS += %D%/elf_test %D%/registry_test
TESTS += %D%/elf_test %D%/registry_test
%C%_elf_test_SOURCES = %D%/elf_test.c
%C%_elf_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS)
%C%_elf_test_CFLAGS = $(TEST_CFLAGS)
%C%_elf_test_LDADD = libplugin.la libbase.la $(TEST_LIBS)
%C%_registry_test_SOURCES = %D%/registry_test.c
%C%_registry_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS)
%C%_registry_test_CFLAGS = $(TEST_CFLAGS)
%C%_registry_test_LDADD = libplugin.la libbase.la $(TEST_LIBS)
endif
