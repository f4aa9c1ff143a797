# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/embed
if WITH_ZE

# All of the plugin but its table.
noinst_LTLIBRARIES += libze.la
libze_la_SOURCES = %D%/api.c %D%/api.h %D%/copy.c %D%/copy.h %D%/device.c %D%/device.h %D%/driver.c %D%/driver.h \
	%D%/drm.c %D%/drm.h %D%/event.c %D%/event.h %D%/list.c %D%/list.h %D%/model.c %D%/model.h %D%/option.c %D%/option.h \
	%D%/peer.c %D%/peer.h %D%/program.c %D%/program.h %D%/queue.c %D%/queue.h
nodist_libze_la_SOURCES = %D%/spirv.c
libze_la_LIBADD = libgpu.la
CLEANFILES += %D%/spirv.c ze-cache/*
%D%/spirv.c: backends/gpu/programs$(EXEEXT) %D%/embed
	$(AM_V_GEN)$(MKDIR_P) %D% && $(srcdir)/%D%/embed backends/gpu/programs$(EXEEXT) '$(SPIRV_CLANG)' '$(LLVM_SPIRV)' >$@.tmp && mv $@.tmp $@

backends_LTLIBRARIES += ze.la
ze_la_SOURCES = %D%/ze.c
ze_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_backend$$'
ze_la_LIBADD = libze.la

check_PROGRAMS += %D%/spirv_files
%C%_spirv_files_SOURCES = %D%/spirv_files.c
%C%_spirv_files_LDADD = libze.la

if HAVE_CHECK
if WITH_ZE_POCL
ze_tests = %D%/engine_test %D%/fault_test %D%/golden_test %D%/launch_test %D%/layer_test %D%/list_test %D%/ops_test %D%/peer_test %D%/weight_test %D%/ze_test
check_PROGRAMS += $(ze_tests)
TESTS += $(ze_tests)
ze_plugin = -DTEST_PLUGIN='"$(abs_top_builddir)/.libs/ze.so"' -DPLUGIN_TEST_H='"backends/ze/plugin_test.h"' \
	-DTEST_DRIVER='"$(abs_top_builddir)/tests/drivers/.libs/ze_pocl.so"' -DTEST_CACHE='"$(abs_top_builddir)/ze-cache"'
%C%_engine_test_SOURCES = %D%/engine_test.c
%C%_engine_test_CPPFLAGS = $(GOLDEN_CPPFLAGS) -DTEST_ENGINE='"$(abs_top_builddir)/llmserve-engine"' \
	-DTEST_PLUGIN_DIR='"$(abs_top_builddir)/.libs"'
%C%_engine_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_engine_test_LDADD = libfront.la $(TEST_LIBS)
%C%_fault_test_SOURCES = %D%/fault_test.c %D%/bed_test.h %D%/plugin_test.h
%C%_fault_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_fault_test_LDADD = $(TEST_LIBS)
%C%_golden_test_CPPFLAGS = $(GOLDEN_CPPFLAGS) -DTEST_CPU='"$(abs_top_builddir)/.libs/cpu.so"'
%C%_golden_test_SOURCES = backends/gpu/plugin_golden_test.c
%C%_golden_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin) -DTEST_DEVICES='"4"'
%C%_golden_test_LDADD = $(REFEXEC_LIBS)
%C%_launch_test_SOURCES = %D%/launch_test.c
%C%_launch_test_CFLAGS = $(AM_CFLAGS) $(ze_plugin) -DTEST_EMPTY -DTEST_MODEL='"$(abs_top_srcdir)/models/SmolLM2-135M-Instruct.Q4_1.gguf"'
%C%_launch_test_LDADD = libmodel.la libqtype.la libbase.la
%C%_layer_test_SOURCES = %D%/layer_test.c
%C%_layer_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_layer_test_LDADD = libze.la $(TEST_LIBS)
%C%_list_test_SOURCES = %D%/list_test.c
%C%_list_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_list_test_LDADD = libze.la $(TEST_LIBS)
%C%_ops_test_SOURCES = backends/gpu/plugin_ops_test.c %D%/plugin_test.h backends/gpu/plugin_test_open.h
%C%_ops_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_ops_test_LDADD = libopsuite.la $(TEST_LIBS)
%C%_peer_test_SOURCES = %D%/peer_test.c
%C%_peer_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin) -DTEST_DEVICES='"2"'
%C%_peer_test_LDADD = libze.la $(TEST_LIBS)
%C%_weight_test_SOURCES = backends/gpu/plugin_weight_test.c
%C%_weight_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin)
%C%_weight_test_LDADD = libqtype.la $(TEST_LIBS)
%C%_ze_test_SOURCES = %D%/ze_test.c %D%/bed_test.h %D%/plugin_test.h
%C%_ze_test_CFLAGS = $(TEST_CFLAGS) $(ze_plugin) -DTEST_DEVICES='"2"'
%C%_ze_test_LDADD = $(TEST_LIBS)
endif
endif
endif
