# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libqtype.la libmodel.la
# No fused multiply-add: the results are the published ones to the bit.
libqtype_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off
libqtype_la_SOURCES = %D%/qtype.c %D%/qtype_k.c %D%/qtype_iq.c %D%/qtype_low.c %D%/qtype_low.h %D%/qtype_dequant.h %D%/qtype_grid.h
include runtime/model/quant.mk
libmodel_la_SOURCES = %D%/gguf.c %D%/gguf_value.c %D%/gguf.h %D%/keys.c %D%/keys.h %D%/family.c %D%/family.h \
	%D%/hparams.c %D%/build.c %D%/build.h %D%/block.c %D%/moe.c %D%/part.c %D%/rope.c %D%/load.c %D%/load.h %D%/importance.c %D%/importance.h %D%/low_bit.c %D%/low_bit.h %D%/lmq.c %D%/lmq.h %D%/lmq_write.c \
	%D%/model.c %D%/model.h %D%/lora/adapter.c %D%/lora/adapter.h %D%/lora/gguf.c %D%/lora/lora.c %D%/lora/lora.h %D%/lora/peft.c \
	%D%/arch/baichuan.c %D%/arch/bert.c %D%/arch/chatglm.c %D%/arch/cohere2.c %D%/arch/command_r.c %D%/arch/deepseek2.c \
	%D%/arch/exaone4.c %D%/arch/gemma.c %D%/arch/gemma2.c %D%/arch/gemma3.c %D%/arch/glm4.c %D%/arch/glm4moe.c \
	%D%/arch/gpt_oss.c %D%/arch/granite.c %D%/arch/granitemoe.c %D%/arch/internlm2.c %D%/arch/llama.c \
	%D%/arch/minicpm.c %D%/arch/modern_bert.c %D%/arch/nomic_bert.c %D%/arch/olmo2.c %D%/arch/olmoe.c %D%/arch/phi3.c %D%/arch/qwen2.c %D%/arch/qwen2moe.c \
	%D%/arch/qwen3.c %D%/arch/qwen3moe.c %D%/arch/seed_oss.c %D%/arch/starcoder2.c
libmodel_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) -ffp-contract=off
libmodel_la_LIBADD = libquant.la libjson.la
include runtime/model/hf/local.mk
EXTRA_DIST += %D%/qtype_grid.py

if HAVE_CHECK
check_PROGRAMS += %D%/lora/lora_test
TESTS += %D%/lora/lora_test
%C%_lora_lora_test_SOURCES = %D%/lora/lora_test.c
%C%_lora_lora_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_lora_lora_test_CFLAGS = $(TEST_CFLAGS)
%C%_lora_lora_test_LDADD = $(REFEXEC_LIBS)
model_tests = %D%/gguf_test %D%/qtype_test %D%/model_test
check_PROGRAMS += $(model_tests)
TESTS += $(model_tests)
%C%_gguf_test_SOURCES = %D%/gguf_test.c
%C%_gguf_test_CFLAGS = $(TEST_CFLAGS)
%C%_gguf_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
%C%_qtype_test_SOURCES = %D%/qtype_test.c
%C%_qtype_test_CFLAGS = $(TEST_CFLAGS)
%C%_qtype_test_LDADD = libqtype.la $(TEST_LIBS)
%C%_model_test_SOURCES = %D%/model_test.c
%C%_model_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_model_test_CFLAGS = $(TEST_CFLAGS)
%C%_model_test_LDADD = $(REFEXEC_LIBS)
endif
