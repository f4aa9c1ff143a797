# SPDX-License-Identifier: Apache-2.0
libmodel_la_SOURCES += runtime/model/map.c runtime/model/map.h runtime/model/source.c runtime/model/source.h runtime/model/split.c \
	%D%/json.c %D%/json.h %D%/safetensors.c %D%/safetensors.h %D%/shards.c %D%/shards.h %D%/config.c %D%/config.h %D%/rope.c \
	%D%/quant.c %D%/quant.h %D%/made.c %D%/made.h %D%/ints.c %D%/tensors.c %D%/tensors.h %D%/hf.c %D%/hf.h \
	%D%/family.c %D%/family.h %D%/names.c %D%/names.h %D%/baichuan.c %D%/bert.c %D%/chatglm.c %D%/cohere.c %D%/deepseek.c %D%/exaone4.c %D%/gemma.c %D%/gemma3.c \
	%D%/glm.c %D%/gpt_oss.c %D%/granite.c %D%/internlm2.c %D%/llama.c %D%/minicpm.c %D%/mixtral.c %D%/modernbert.c %D%/nomic_bert.c %D%/olmo.c %D%/phi3.c \
	%D%/qwen2.c %D%/qwen3.c %D%/seed_oss.c %D%/starcoder2.c

if HAVE_CHECK
hf_tests = %D%/safetensors_test %D%/hf_test runtime/model/split_test
check_PROGRAMS += $(hf_tests)
TESTS += $(hf_tests)
%C%_safetensors_test_SOURCES = %D%/safetensors_test.c
%C%_safetensors_test_CFLAGS = $(TEST_CFLAGS)
%C%_safetensors_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
%C%_hf_test_SOURCES = %D%/hf_test.c
%C%_hf_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_hf_test_CFLAGS = $(TEST_CFLAGS)
%C%_hf_test_LDADD = $(REFEXEC_LIBS)
runtime_model_split_test_SOURCES = runtime/model/split_test.c
runtime_model_split_test_CFLAGS = $(TEST_CFLAGS)
runtime_model_split_test_LDADD = libmodel.la libbase.la $(TEST_LIBS)
endif
