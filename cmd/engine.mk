# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += llmserve-engine
llmserve_engine_SOURCES = %D%/llmserve-engine.c
llmserve_engine_LDADD = libengine.la libplugin.la libmodel.la libconf.la libbase.la

if HAVE_CHECK
check_PROGRAMS += %D%/llmserve-engine_test
TESTS += %D%/llmserve-engine_test
%C%_llmserve_engine_test_SOURCES = %D%/llmserve-engine_test.c
%C%_llmserve_engine_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS) $(GOLDEN_CPPFLAGS) -DTEST_ENGINE='"$(abs_top_builddir)/llmserve-engine"'
%C%_llmserve_engine_test_CFLAGS = $(TEST_CFLAGS)
%C%_llmserve_engine_test_LDADD = libfront.la $(TEST_LIBS)
endif
