# SPDX-License-Identifier: Apache-2.0
# The engine program, and tests of it and of the tool's commands that run an engine.
pkglibexec_PROGRAMS += llmserve-engine
llmserve_engine_SOURCES = %D%/llmserve-engine.c %D%/launch.c %D%/launch.h
llmserve_engine_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
llmserve_engine_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
llmserve_engine_LDADD = libengine.la libparallel.la libplugin.la libmodel.la libconf.la libbase.la

if HAVE_CHECK
engine_cmd_tests = %D%/llmserve-engine_test %D%/llmserve/devices_test %D%/llmserve/run_test
check_PROGRAMS += $(engine_cmd_tests)
TESTS += $(engine_cmd_tests)
%C%_llmserve_engine_test_SOURCES = %D%/llmserve-engine_test.c
%C%_llmserve_engine_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS) $(GOLDEN_CPPFLAGS) -DTEST_ENGINE='"$(abs_top_builddir)/llmserve-engine"'
%C%_llmserve_engine_test_CFLAGS = $(TEST_CFLAGS)
%C%_llmserve_engine_test_LDADD = libfront.la $(TEST_LIBS)
%C%_llmserve_devices_test_SOURCES = %D%/llmserve/devices_test.c %D%/llmserve/devices.c
%C%_llmserve_devices_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS)
%C%_llmserve_devices_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_devices_test_LDADD = libtoolcmd.la libplugin.la libconf.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
%C%_llmserve_run_test_SOURCES = %D%/llmserve/run_test.c %D%/llmserve/run.c
%C%_llmserve_run_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS) $(GOLDEN_CPPFLAGS)
%C%_llmserve_run_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_llmserve_run_test_LDADD = libtoolcmd.la libengine.la libplugin.la libtext.la libmodel.la libconf.la libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
