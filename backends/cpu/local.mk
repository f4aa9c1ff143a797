# SPDX-License-Identifier: Apache-2.0
include backends/cpu/kern.mk

if WITH_CPU

# row_body.h, once for each width of registers
cpu_row_LIBS =
if ARCH_X86_64
cpu_row_LIBS += librow_avx2.la librow_avx512.la
noinst_LTLIBRARIES += $(cpu_row_LIBS)
librow_avx2_la_SOURCES = %D%/row_avx2.c
librow_avx2_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS) $(WIDE_CFLAGS) -mavx2 -mfma
librow_avx512_la_SOURCES = %D%/row_avx512.c
librow_avx512_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS) $(WIDE_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
endif

# All of the plugin but its table.
noinst_LTLIBRARIES += libcpu.la
libcpu_la_SOURCES = %D%/bench.c %D%/bench.h %D%/bench_attn.c %D%/bench_limit.c %D%/bench_mat.c %D%/cgroup.c %D%/cgroup.h %D%/lora.c %D%/lora.h %D%/machine.c %D%/machine.h %D%/moe.c %D%/moe.h %D%/numa.c %D%/numa.h %D%/option.c %D%/option.h \
	%D%/phase.c %D%/phase.h %D%/plan.c %D%/plan.h %D%/pool.c %D%/pool.h %D%/row.c %D%/row.h %D%/row_body.h \
	%D%/row_portable.c %D%/run.c %D%/run.h
libcpu_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS) $(HWLOC_CFLAGS)
libcpu_la_LIBADD = $(cpu_row_LIBS) libcpukern.la libops.la libbase.la $(HWLOC_LIBS)

backends_LTLIBRARIES += cpu.la
cpu_la_SOURCES = %D%/cpu.c
cpu_la_CFLAGS = $(AM_CFLAGS) $(HWLOC_CFLAGS)
cpu_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -export-symbols-regex '^lm_backend$$'
cpu_la_LIBADD = libcpu.la

if HAVE_CHECK
cpu_tests = %D%/cgroup_test %D%/cpu_test %D%/golden_test %D%/numa_test %D%/ops_test %D%/option_test %D%/phase_test %D%/pool_test %D%/row_test
check_PROGRAMS += $(cpu_tests)
TESTS += $(cpu_tests)
cpu_plugin = -DTEST_PLUGIN='"$(abs_top_builddir)/.libs/cpu.so"'
%C%_cgroup_test_SOURCES = %D%/cgroup_test.c
%C%_cgroup_test_CFLAGS = $(TEST_CFLAGS)
%C%_cgroup_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_cpu_test_SOURCES = %D%/cpu_test.c
%C%_cpu_test_CFLAGS = $(TEST_CFLAGS) $(cpu_plugin)
%C%_cpu_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_golden_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_golden_test_SOURCES = %D%/golden_test.c
%C%_golden_test_CFLAGS = $(TEST_CFLAGS) $(cpu_plugin)
%C%_golden_test_LDADD = libcpu.la $(REFEXEC_LIBS)
%C%_numa_test_SOURCES = %D%/numa_test.c
%C%_numa_test_CFLAGS = $(TEST_CFLAGS)
%C%_numa_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_ops_test_SOURCES = %D%/ops_test.c
%C%_ops_test_CFLAGS = $(TEST_CFLAGS) $(cpu_plugin)
%C%_ops_test_LDADD = libopsuite.la libcpu.la $(TEST_LIBS)
%C%_option_test_SOURCES = %D%/option_test.c
%C%_option_test_CFLAGS = $(TEST_CFLAGS)
%C%_option_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_phase_test_SOURCES = %D%/phase_test.c
%C%_phase_test_CFLAGS = $(TEST_CFLAGS)
%C%_phase_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_pool_test_SOURCES = %D%/pool_test.c
%C%_pool_test_CFLAGS = $(TEST_CFLAGS)
%C%_pool_test_LDADD = libcpu.la $(TEST_LIBS)
%C%_row_test_SOURCES = %D%/row_test.c
%C%_row_test_CFLAGS = $(TEST_CFLAGS)
%C%_row_test_LDADD = libcpu.la $(TEST_LIBS)
endif
endif
