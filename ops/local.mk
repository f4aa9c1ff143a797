# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libops.la
libops_la_SOURCES = %D%/act_mul.c %D%/act_mul.h %D%/attention.c %D%/attention.h %D%/check.c %D%/check.h %D%/collect.c %D%/collect.h %D%/copy.c %D%/copy.h \
	%D%/elementwise.c %D%/elementwise.h %D%/embed.c %D%/embed.h %D%/gather.c %D%/gather.h %D%/graph.c %D%/graph.h \
	%D%/layernorm.c %D%/layernorm.h %D%/lora.c %D%/lora.h %D%/matmul.c %D%/matmul.h %D%/moe.c %D%/moe.h %D%/philox.h %D%/rmsnorm.c %D%/rmsnorm.h \
	%D%/rope.c %D%/rope.h %D%/sample.c %D%/sample.h %D%/sample_block.h \
	%D%/sample_filter.c %D%/sample_filter.h %D%/vec.h
libops_la_CFLAGS = $(AM_CFLAGS) $(HARDEN_KERNEL_CFLAGS)

if HAVE_CHECK
# The suite that every backend runs.
check_LTLIBRARIES += libopsuite.la
libopsuite_la_SOURCES = %D%/op_ref.c %D%/op_ref.h %D%/op_rig.c %D%/op_rig.h %D%/op_suite.c %D%/op_suite.h \
	%D%/op_suite_encoder.c %D%/op_suite_lora.c %D%/op_suite_model.c %D%/op_suite_moe.c
libopsuite_la_CFLAGS = $(TEST_CFLAGS)
libopsuite_la_LIBADD = libops.la libqtype.la

ops_tests = %D%/attention_test %D%/collect_test %D%/copy_test %D%/moe_test %D%/elementwise_test %D%/embed_test %D%/graph_test %D%/layernorm_test %D%/lora_test %D%/matmul_test %D%/rmsnorm_test %D%/rope_test %D%/sample_filter_test %D%/sample_test %D%/vec_test
check_PROGRAMS += $(ops_tests)
TESTS += $(ops_tests)
%C%_collect_test_SOURCES = %D%/collect_test.c
%C%_collect_test_CFLAGS = $(TEST_CFLAGS)
%C%_collect_test_LDADD = libops.la $(TEST_LIBS)
%C%_copy_test_SOURCES = %D%/copy_test.c
%C%_copy_test_CFLAGS = $(TEST_CFLAGS)
%C%_copy_test_LDADD = libops.la $(TEST_LIBS)
%C%_moe_test_SOURCES = %D%/moe_test.c
%C%_moe_test_CFLAGS = $(TEST_CFLAGS)
%C%_moe_test_LDADD = libops.la $(TEST_LIBS)
%C%_attention_test_SOURCES = %D%/attention_test.c
%C%_attention_test_CFLAGS = $(TEST_CFLAGS)
%C%_attention_test_LDADD = libops.la $(TEST_LIBS)
%C%_elementwise_test_SOURCES = %D%/elementwise_test.c
%C%_elementwise_test_CFLAGS = $(TEST_CFLAGS)
%C%_elementwise_test_LDADD = libops.la $(TEST_LIBS)
%C%_embed_test_SOURCES = %D%/embed_test.c
%C%_embed_test_CFLAGS = $(TEST_CFLAGS)
%C%_embed_test_LDADD = libops.la $(TEST_LIBS)
%C%_graph_test_SOURCES = %D%/graph_test.c
%C%_graph_test_CFLAGS = $(TEST_CFLAGS)
%C%_graph_test_LDADD = libops.la $(TEST_LIBS)
%C%_layernorm_test_SOURCES = %D%/layernorm_test.c
%C%_layernorm_test_CFLAGS = $(TEST_CFLAGS)
%C%_layernorm_test_LDADD = libops.la $(TEST_LIBS)
%C%_lora_test_SOURCES = %D%/lora_test.c
%C%_lora_test_CFLAGS = $(TEST_CFLAGS)
%C%_lora_test_LDADD = libops.la $(TEST_LIBS)
%C%_matmul_test_SOURCES = %D%/matmul_test.c
%C%_matmul_test_CFLAGS = $(TEST_CFLAGS)
%C%_matmul_test_LDADD = libops.la $(TEST_LIBS)
%C%_rmsnorm_test_SOURCES = %D%/rmsnorm_test.c
%C%_rmsnorm_test_CFLAGS = $(TEST_CFLAGS)
%C%_rmsnorm_test_LDADD = libops.la $(TEST_LIBS)
%C%_rope_test_SOURCES = %D%/rope_test.c
%C%_rope_test_CFLAGS = $(TEST_CFLAGS)
%C%_rope_test_LDADD = libops.la $(TEST_LIBS)
%C%_sample_filter_test_SOURCES = %D%/sample_filter_test.c
%C%_sample_filter_test_CFLAGS = $(TEST_CFLAGS)
%C%_sample_filter_test_LDADD = libops.la $(TEST_LIBS)
%C%_sample_test_SOURCES = %D%/sample_test.c
%C%_sample_test_CFLAGS = $(TEST_CFLAGS)
%C%_sample_test_LDADD = libops.la $(TEST_LIBS)
%C%_vec_test_SOURCES = %D%/vec_test.c
%C%_vec_test_CFLAGS = $(TEST_CFLAGS)
%C%_vec_test_LDADD = libops.la $(TEST_LIBS)
endif
