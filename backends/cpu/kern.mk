# SPDX-License-Identifier: Apache-2.0
# Matrices, activations' forms, attention and the KV cache of the cpu backend, with their kernels for each ISA.
cpu_kern_SOURCES = %D%/mat.c %D%/mat.h %D%/mat_heap.c %D%/mat_isa.c %D%/mat_kern.h %D%/mat_rows.c %D%/mat_panel.c %D%/mat_panel.h \
	%D%/mat_pack.c %D%/x.c %D%/x.h %D%/attn.c %D%/attn.h %D%/attn_kern.h %D%/attn_portable.c %D%/kv.c
cpu_kern_LIBS =
if ARCH_X86_64
cpu_kern_LIBS += libcpukern_avx2.la libcpukern_avxvnni.la libcpukern_avx512.la libcpukern_avx512bf16.la
noinst_LTLIBRARIES += $(cpu_kern_LIBS)
cpu_kern_bodies = %D%/mat_body.h %D%/mat_rows_body.h %D%/x_body.h %D%/attn_body.h %D%/attn_int_body.h
libcpukern_avx2_la_SOURCES = %D%/mat_avx2.c %D%/mat_vec_avx2.h $(cpu_kern_bodies)
libcpukern_avx2_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS) $(WIDE_CFLAGS) -mavx2 -mfma -mf16c
libcpukern_avxvnni_la_SOURCES = %D%/mat_avxvnni.c
libcpukern_avxvnni_la_CFLAGS = $(libcpukern_avx2_la_CFLAGS) -mavxvnni
libcpukern_avx512_la_SOURCES = %D%/mat_amx.c %D%/mat_avx512.c %D%/mat_vec_avx512.h
libcpukern_avx512_la_CFLAGS = $(libcpukern_avx2_la_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
libcpukern_avx512bf16_la_SOURCES = %D%/attn_avx512bf16.c
libcpukern_avx512bf16_la_CFLAGS = $(libcpukern_avx512_la_CFLAGS) -mavx512bf16
endif

cpu_kern_SOURCES += %D%/mat_fp8.c %D%/mat_fp8.h
if ARCH_X86_64
libcpukern_avx2_la_SOURCES += %D%/mat_fp8_avx2.c %D%/mat_fp8_body.h
libcpukern_avx512_la_SOURCES += %D%/mat_fp8_avx512.c
endif

noinst_LTLIBRARIES += libcpukern.la
libcpukern_la_SOURCES = $(cpu_kern_SOURCES)
libcpukern_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS)
libcpukern_la_LIBADD = $(cpu_kern_LIBS) libqtype.la

# Rates beside the machine's limits, of what was built: make bench-kernels
bench-kernels: all
	./llmserve bench kernels --backend cpu --plugin-dir '$(abs_top_builddir)/.libs'
.PHONY: bench-kernels

if HAVE_CHECK
cpu_kern_tests = %D%/attn_test %D%/mat_test
if ARCH_X86_64
cpu_kern_tests += %D%/mat_amx_test
%C%_mat_amx_test_SOURCES = %D%/mat_amx_test.c tests/amx_emulator.c tests/amx_emulator.h
%C%_mat_amx_test_CFLAGS = $(TEST_CFLAGS)
%C%_mat_amx_test_LDADD = libcpukern.la $(TEST_LIBS) -lm
endif
check_PROGRAMS += $(cpu_kern_tests)
TESTS += $(cpu_kern_tests)
%C%_attn_test_SOURCES = %D%/attn_test.c
%C%_attn_test_CFLAGS = $(TEST_CFLAGS)
%C%_attn_test_LDADD = libcpukern.la libops.la libbase.la $(TEST_LIBS) -lm
%C%_mat_test_SOURCES = %D%/mat_test.c
%C%_mat_test_CFLAGS = $(TEST_CFLAGS)
%C%_mat_test_LDADD = libcpukern.la $(TEST_LIBS) -lm
endif
