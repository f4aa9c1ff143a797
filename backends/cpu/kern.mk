# SPDX-License-Identifier: Apache-2.0
# Matrices, activations' forms, attention and the KV cache of the cpu backend, with their kernels for each ISA.
cpu_kern_SOURCES = %D%/mat.c %D%/mat.h %D%/mat_heap.c %D%/mat_isa.c %D%/mat_kern.h %D%/mat_rows.c %D%/mat_panel.c %D%/mat_panel.h \
	%D%/mat_pack.c %D%/x.c %D%/x.h %D%/attn.c %D%/attn.h %D%/attn_kern.h %D%/attn_portable.c %D%/kv.c
cpu_kern_LIBS = libcpukern_avx512.la libcpukern_avx512bf16.la libqtype.la

noinst_LTLIBRARIES += libcpukern_avx512.la libcpukern_avx512bf16.la libcpukern.la
libcpukern_avx512_la_SOURCES = %D%/mat_avx512.c %D%/mat_rows_avx512.c %D%/x_avx512.c %D%/attn_avx512.c %D%/attn_avx512.h
libcpukern_avx512_la_CFLAGS = $(AM_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
libcpukern_avx512bf16_la_SOURCES = %D%/attn_avx512bf16.c
libcpukern_avx512bf16_la_CFLAGS = $(libcpukern_avx512_la_CFLAGS) -mavx512bf16
libcpukern_la_SOURCES = $(cpu_kern_SOURCES)
libcpukern_la_LIBADD = $(cpu_kern_LIBS)

# Rates beside the machine's limits: make bench-kernels
noinst_PROGRAMS += %D%/kern_bench
%C%_kern_bench_SOURCES = %D%/kern_bench.c
%C%_kern_bench_LDADD = libcpukern.la
bench-kernels: %D%/kern_bench
	%D%/kern_bench
.PHONY: bench-kernels

if HAVE_CHECK
cpu_kern_tests = %D%/attn_test %D%/mat_test
check_PROGRAMS += $(cpu_kern_tests)
TESTS += $(cpu_kern_tests)
%C%_attn_test_SOURCES = %D%/attn_test.c
%C%_attn_test_CFLAGS = $(TEST_CFLAGS)
%C%_attn_test_LDADD = libcpukern.la $(TEST_LIBS) -lm
%C%_mat_test_SOURCES = %D%/mat_test.c
%C%_mat_test_CFLAGS = $(TEST_CFLAGS)
%C%_mat_test_LDADD = libcpukern.la $(TEST_LIBS) -lm
endif
