# SPDX-License-Identifier: Apache-2.0
if WITH_CL

# All of the plugin but its table.
noinst_LTLIBRARIES += libcl.la
libcl_la_SOURCES = %D%/api.c %D%/api.h %D%/device.c %D%/device.h %D%/driver.c %D%/driver.h \
	%D%/option.c %D%/option.h %D%/peer.c %D%/peer.h %D%/program.c %D%/program.h
libcl_la_CFLAGS = $(AM_CFLAGS) $(OPENCL_CFLAGS)
libcl_la_LIBADD = libgpu.la $(OPENCL_LIBS)

backends_LTLIBRARIES += cl.la
cl_la_SOURCES = %D%/cl.c
cl_la_CFLAGS = $(AM_CFLAGS) $(OPENCL_CFLAGS)
cl_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_backend$$'
cl_la_LIBADD = libcl.la

if HAVE_CHECK
cl_tests = %D%/cl_test %D%/golden_test %D%/ops_test %D%/option_test %D%/sample_test %D%/selftest_test %D%/weight_test
check_PROGRAMS += $(cl_tests)
TESTS += $(cl_tests)
cl_plugin = -DTEST_PLUGIN='"$(abs_top_builddir)/.libs/cl.so"' -DPLUGIN_TEST_H='"backends/cl/plugin_test.h"' \
	-DTEST_CACHE='"$(abs_top_builddir)/cl-cache"'
%C%_cl_test_SOURCES = %D%/cl_test.c
%C%_cl_test_CFLAGS = $(TEST_CFLAGS) $(cl_plugin)
%C%_cl_test_LDADD = $(TEST_LIBS)
%C%_golden_test_CPPFLAGS = $(GOLDEN_CPPFLAGS) -DTEST_CPU='"$(abs_top_builddir)/.libs/cpu.so"'
%C%_golden_test_SOURCES = backends/gpu/plugin_golden_test.c
%C%_golden_test_CFLAGS = $(TEST_CFLAGS) $(cl_plugin)
%C%_golden_test_LDADD = $(REFEXEC_LIBS)
%C%_ops_test_SOURCES = backends/gpu/plugin_ops_test.c %D%/plugin_test.h backends/gpu/plugin_test_open.h
%C%_ops_test_CFLAGS = $(TEST_CFLAGS) $(cl_plugin)
%C%_ops_test_LDADD = libopsuite.la $(TEST_LIBS)
%C%_option_test_SOURCES = %D%/option_test.c
%C%_option_test_CFLAGS = $(TEST_CFLAGS)
%C%_option_test_LDADD = libcl.la $(TEST_LIBS)
%C%_sample_test_SOURCES = %D%/sample_test.c
%C%_sample_test_CFLAGS = $(TEST_CFLAGS) $(cl_plugin)
%C%_sample_test_LDADD = libops.la libbase.la $(TEST_LIBS)
%C%_selftest_test_SOURCES = %D%/selftest_test.c
%C%_selftest_test_CFLAGS = $(TEST_CFLAGS) $(OPENCL_CFLAGS)
%C%_selftest_test_LDADD = libcl.la $(TEST_LIBS)
%C%_weight_test_SOURCES = backends/gpu/plugin_weight_test.c
%C%_weight_test_CFLAGS = $(TEST_CFLAGS) $(cl_plugin)
%C%_weight_test_LDADD = libqtype.la $(TEST_LIBS)

# The kernels for Intel's matrix engine, on Intel's runtime for processors.
EXTRA_DIST += tests/drivers/xmx_shim.cl
CLEANFILES += cl-cache/* xmx-cache/*
cl_xmx_tests = %D%/xmx8_ops_test %D%/xmx16_ops_test %D%/xmx8_weight_test %D%/xmx16_weight_test %D%/xmx16_golden_test
check_PROGRAMS += $(cl_xmx_tests)
TESTS += $(cl_xmx_tests)
cl_xmx = $(TEST_CFLAGS) $(OPENCL_CFLAGS) -DTEST_PLUGIN='"$(abs_top_builddir)/.libs/cl.so"' -DPLUGIN_TEST_H='"backends/cl/xmx_test.h"' \
	-DTEST_SHIM='"$(abs_top_srcdir)/tests/drivers/xmx_shim.cl"' -DTEST_CACHE='"$(abs_top_builddir)/xmx-cache"'
cl_xmx_ldflags = $(AM_LDFLAGS) -Wl,--export-dynamic-symbol=clCreateProgramWithSource
%C%_xmx8_ops_test_SOURCES = backends/gpu/plugin_ops_test.c %D%/xmx_test.h
%C%_xmx8_ops_test_CFLAGS = $(cl_xmx) -DTEST_KERNELS='"xmx8"'
%C%_xmx8_ops_test_LDFLAGS = $(cl_xmx_ldflags)
%C%_xmx8_ops_test_LDADD = libopsuite.la $(TEST_LIBS)
%C%_xmx16_ops_test_SOURCES = backends/gpu/plugin_ops_test.c
%C%_xmx16_ops_test_CFLAGS = $(cl_xmx) -DTEST_KERNELS='"xmx16"'
%C%_xmx16_ops_test_LDFLAGS = $(cl_xmx_ldflags)
%C%_xmx16_ops_test_LDADD = libopsuite.la $(TEST_LIBS)
%C%_xmx8_weight_test_SOURCES = backends/gpu/plugin_weight_test.c
%C%_xmx8_weight_test_CFLAGS = $(cl_xmx) -DTEST_KERNELS='"xmx8"'
%C%_xmx8_weight_test_LDFLAGS = $(cl_xmx_ldflags)
%C%_xmx8_weight_test_LDADD = libqtype.la $(TEST_LIBS)
%C%_xmx16_weight_test_SOURCES = backends/gpu/plugin_weight_test.c
%C%_xmx16_weight_test_CFLAGS = $(cl_xmx) -DTEST_KERNELS='"xmx16"'
%C%_xmx16_weight_test_LDFLAGS = $(cl_xmx_ldflags)
%C%_xmx16_weight_test_LDADD = libqtype.la $(TEST_LIBS)
%C%_xmx16_golden_test_CPPFLAGS = $(GOLDEN_CPPFLAGS) -DTEST_CPU='"$(abs_top_builddir)/.libs/cpu.so"'
%C%_xmx16_golden_test_SOURCES = backends/gpu/plugin_golden_test.c
%C%_xmx16_golden_test_CFLAGS = $(cl_xmx) -DTEST_KERNELS='"xmx16"'
%C%_xmx16_golden_test_LDFLAGS = $(cl_xmx_ldflags)
%C%_xmx16_golden_test_LDADD = $(REFEXEC_LIBS)
endif
endif
