# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += %D%/fake_engine
%C%_fake_engine_SOURCES = %D%/fake_engine.c
%C%_fake_engine_LDADD = libprotocol.la libbase.la

api_tests_scripts = %D%/cl_test %D%/embed_test %D%/encoder_test %D%/front_test %D%/family_test %D%/guard_test %D%/openapi_test %D%/page_test %D%/pairwise_test %D%/memory_test %D%/tls_test %D%/tools_test %D%/random_test %D%/model_test %D%/models_test %D%/replicas_test %D%/grammar_test %D%/invariance_test %D%/record_test %D%/service_test %D%/sleep_test %D%/slots_test %D%/ze_test %D%/lora_test %D%/mpi_test %D%/offload_test %D%/parallel_test
dist_check_SCRIPTS += $(api_tests_scripts)
EXTRA_DIST += %D%/mpi_nodes %D%/harness.py %D%/safetensors_file.py %D%/toy_gguf.py %D%/lora_files.py
TESTS += $(api_tests_scripts)

# ze against cl and cpu with models of one's own: make check-ze-models MODELS=/a.gguf:/b.gguf
check-ze-models: $(check_LTLIBRARIES) all
	LLMSERVE_BUILD='$(abs_top_builddir)' LLMSERVE_TEST_MODELS='$(MODELS)' $(srcdir)/%D%/ze_test -v Ze.test_one_configuration_gives_the_same_text_on_ze_cl_and_cpu
.PHONY: check-ze-models

# `make check-random`: 10,000 generations of a model of random logits under schemas and required calls; `make check` does 200.
check-random: all $(test_plugins)
	LLMSERVE_RANDOM_N=10000 $(srcdir)/tests/api/random_test
.PHONY: check-random

# A model on many nodes by MPI: 100 processes killed; and, as root, two network namespaces as nodes under load (MODEL=FILE SECONDS=60 TIMES=5).
check-mpi: all
	LLMSERVE_BUILD='$(abs_top_builddir)' LLMSERVE_MPI_KILLS=100 $(srcdir)/tests/api/mpi_test -v Mpi.test_a_process_that_is_killed_or_silent_ends_requests_and_all_start_again
check-mpi-nodes: all
	LLMSERVE_BUILD='$(abs_top_builddir)' $(srcdir)/tests/api/mpi_nodes
.PHONY: check-mpi check-mpi-nodes
