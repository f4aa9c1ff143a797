# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += %D%/fake_engine
%C%_fake_engine_SOURCES = %D%/fake_engine.c
%C%_fake_engine_LDADD = libprotocol.la libbase.la

dist_check_SCRIPTS += %D%/cl_test %D%/front_test %D%/family_test %D%/guard_test %D%/openapi_test %D%/pairwise_test %D%/tls_test %D%/model_test %D%/grammar_test %D%/invariance_test %D%/lora_test
EXTRA_DIST += %D%/harness.py %D%/lora_files.py %D%/toy_gguf.py
TESTS += %D%/cl_test %D%/front_test %D%/family_test %D%/guard_test %D%/openapi_test %D%/pairwise_test %D%/tls_test %D%/model_test %D%/grammar_test %D%/invariance_test %D%/lora_test
dist_check_SCRIPTS += %D%/cl_test %D%/front_test %D%/family_test %D%/guard_test %D%/openapi_test %D%/pairwise_test %D%/memory_test %D%/tls_test %D%/model_test %D%/grammar_test %D%/invariance_test
EXTRA_DIST += %D%/harness.py %D%/toy_gguf.py
TESTS += %D%/cl_test %D%/front_test %D%/family_test %D%/guard_test %D%/openapi_test %D%/pairwise_test %D%/memory_test %D%/tls_test %D%/model_test %D%/grammar_test %D%/invariance_test
