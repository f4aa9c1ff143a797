# SPDX-License-Identifier: Apache-2.0
# Quantizers of the low-bit types. The searches are loops that the compiler makes vectors of, once for each ISA.
noinst_LTLIBRARIES += libquant.la
libquant_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off -ftree-vectorize $(VECTOR_CFLAGS) -fno-trapping-math -fno-math-errno
libquant_la_SOURCES = %D%/quant.c %D%/quant.h %D%/quant_block.h %D%/quant_body.h %D%/quant_portable.c
libquant_la_LIBADD = libqtype.la
if ARCH_X86_64
noinst_LTLIBRARIES += libquant_avx2.la
libquant_avx2_la_CFLAGS = $(libquant_la_CFLAGS) -mavx2
libquant_avx2_la_SOURCES = %D%/quant_avx2.c
libquant_la_LIBADD += libquant_avx2.la
endif

if HAVE_CHECK
check_PROGRAMS += %D%/quant_test %D%/lmq_test %D%/low_bit_test
TESTS += %D%/quant_test %D%/lmq_test %D%/low_bit_test
%C%_lmq_test_SOURCES = %D%/lmq_test.c
%C%_lmq_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_lmq_test_CFLAGS = $(TEST_CFLAGS)
%C%_lmq_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
%C%_low_bit_test_SOURCES = %D%/low_bit_test.c
%C%_low_bit_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_low_bit_test_CFLAGS = $(TEST_CFLAGS)
%C%_low_bit_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
%C%_quant_test_SOURCES = %D%/quant_test.c
%C%_quant_test_CFLAGS = $(TEST_CFLAGS)
%C%_quant_test_LDADD = libquant.la $(TEST_LIBS) -lm
endif
