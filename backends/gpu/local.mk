# SPDX-License-Identifier: Apache-2.0
# What the plugins for GPUs share. It knows no driver.
EXTRA_DIST += %D%/embed %D%/ocloc_test $(gpu_cl)
gpu_cl = %D%/cl/row.cl %D%/cl/attn.cl %D%/cl/weight.cl %D%/cl/xmx.cl %D%/cl/sample.cl \
	%D%/cl/nv.cl %D%/cl/peer.cl %D%/cl/exchange.cl %D%/cl/phase.cl %D%/cl/step_matmul.cl %D%/cl/step_attn.cl %D%/cl/step.cl %D%/cl/prefill.cl

if WITH_GPU
noinst_LTLIBRARIES += libgpu.la
libgpu_la_SOURCES = %D%/build_log.c %D%/build_log.h %D%/cache.c %D%/cache.h %D%/dev.c %D%/dev.h %D%/driver.h %D%/host.c %D%/host.h %D%/kind.c %D%/kind.h %D%/lib.c %D%/lib.h %D%/plan.c %D%/plan.h \
	%D%/fuse.c %D%/fuse.h %D%/fuse_read.c %D%/fuse_read.h %D%/peer.c %D%/peer.h %D%/run.c %D%/run.h %D%/tile.c %D%/tile.h %D%/weight.c %D%/weight.h \
	%D%/option.c %D%/option.h %D%/selftest.c %D%/selftest.h
nodist_libgpu_la_SOURCES = %D%/sources.c
libgpu_la_LIBADD = libops.la libqtype.la libbase.la
CLEANFILES += %D%/sources.c
%D%/sources.c: $(gpu_cl) %D%/embed
	$(AM_V_GEN)$(MKDIR_P) %D% && cd $(srcdir) && %D%/embed $(gpu_cl) >$(abs_top_builddir)/$@.tmp && mv $(abs_top_builddir)/$@.tmp $(abs_top_builddir)/$@

noinst_PROGRAMS += %D%/programs
%C%_programs_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
%C%_programs_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_programs_SOURCES = %D%/programs.c
%C%_programs_LDADD = libgpu.la
TESTS += %D%/ocloc_test

if HAVE_CHECK
check_PROGRAMS += %D%/cache_test %D%/kind_test %D%/run_test
TESTS += %D%/cache_test %D%/kind_test %D%/run_test
%C%_cache_test_SOURCES = %D%/cache_test.c
%C%_cache_test_CFLAGS = $(TEST_CFLAGS)
%C%_cache_test_LDADD = libgpu.la $(TEST_LIBS)
%C%_kind_test_SOURCES = %D%/kind_test.c
%C%_kind_test_CFLAGS = $(TEST_CFLAGS)
%C%_kind_test_LDADD = libgpu.la $(TEST_LIBS)
%C%_run_test_SOURCES = %D%/run_test.c
%C%_run_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_run_test_CFLAGS = $(TEST_CFLAGS)
%C%_run_test_LDADD = libgpu.la $(REFEXEC_LIBS)
endif
endif
