# SPDX-License-Identifier: Apache-2.0
dist_check_SCRIPTS += %D%/layers_test %D%/headers_test
TESTS += %D%/layers_test %D%/headers_test
EXTRA_DIST += %D%/suite.h ARCHITECTURE.md autogen.sh quickstart %D%/fetch_model
# Tests run what was built, not what is installed.
AM_TESTS_ENVIRONMENT = CC='$(CC)'; export CC; LLMSERVE_PLUGIN_DIR='$(abs_top_builddir)/.libs'; export LLMSERVE_PLUGIN_DIR;
include tests/attacks/local.mk
include tests/torture/local.mk
include tests/http/local.mk
include tests/json-schema/local.mk

EXTRA_DIST += $(golden_models) %D%/golden/model/make.py %D%/golden/model/encoders.py %D%/golden/model/families.py %D%/golden/model/qtype.py %D%/gguf_bytes.h
golden_models = %D%/golden/model/bert.gguf %D%/golden/model/bert-classes.gguf %D%/golden/model/modern-bert.gguf %D%/golden/model/nomic-bert.gguf %D%/golden/model/roberta.gguf %D%/golden/model/xlm-roberta-classes.gguf \
	%D%/golden/model/llama-gqa-tied-f32.gguf %D%/golden/model/llama-llama3rope-bias-bf16.gguf \
	%D%/golden/model/llama-mqa-yarn-f16.gguf %D%/golden/model/llama-window-linear-bf16.gguf \
	%D%/golden/model/llama-mixed-quants.gguf %D%/golden/model/qwen2-bf16.gguf %D%/golden/model/gemma3-window-bf16.gguf \
	%D%/golden/model/baichuan-7b.gguf %D%/golden/model/baichuan-alibi.gguf %D%/golden/model/chatglm.gguf \
	%D%/golden/model/cohere2.gguf %D%/golden/model/command-r.gguf %D%/golden/model/deepseek2-expanded.gguf \
	%D%/golden/model/deepseek2-v2.gguf %D%/golden/model/deepseek2-v3.gguf %D%/golden/model/exaone4.gguf \
	%D%/golden/model/exaone4-all.gguf %D%/golden/model/gemma.gguf %D%/golden/model/gemma2.gguf \
	%D%/golden/model/glm4.gguf %D%/golden/model/glm4moe.gguf %D%/golden/model/gpt-oss.gguf \
	%D%/golden/model/gpt-oss-quants.gguf %D%/golden/model/granite.gguf %D%/golden/model/granite-nope.gguf \
	%D%/golden/model/granitemoe.gguf %D%/golden/model/internlm2.gguf %D%/golden/model/minicpm.gguf \
	%D%/golden/model/mixtral.gguf %D%/golden/model/mixtral-split.gguf %D%/golden/model/olmo2.gguf %D%/golden/model/olmo3.gguf \
	%D%/golden/model/olmoe.gguf %D%/golden/model/phi3-longrope-long.gguf %D%/golden/model/phi3-longrope-short.gguf \
	%D%/golden/model/phi3-window.gguf %D%/golden/model/qwen2moe.gguf %D%/golden/model/qwen3.gguf \
	%D%/golden/model/qwen3moe.gguf %D%/golden/model/seed-oss.gguf %D%/golden/model/starcoder2.gguf
EXTRA_DIST += %D%/golden/model/make_hf.py %D%/golden/model/hf %D%/golden/lora/make.py %D%/golden/lora/llama %D%/golden/lora/qwen2 %D%/golden/lora/phi3

if HAVE_CHECK
# The reference backend and the golden models, for tests of backends and of what runs on one: link $(REFEXEC_LIBS).
check_LTLIBRARIES += librefexec.la
librefexec_la_SOURCES = %D%/refexec.c %D%/refexec.h %D%/refjoin.c %D%/refjoin.h %D%/golden_model.c %D%/golden_model.h %D%/golden_lora.c %D%/golden_lora.h %D%/memlink.c %D%/memlink.h
REFEXEC_LIBS = librefexec.la libparallel.la libmodel.la libopsuite.la libops.la libqtype.la libbase.la $(TEST_LIBS)
GOLDEN_CPPFLAGS = $(AM_CPPFLAGS) -DLM_GOLDEN_FOLDER='"$(abs_top_srcdir)/tests/golden/model"' -DLM_LORA_FOLDER='"$(abs_top_srcdir)/tests/golden/lora"'
check_PROGRAMS += %D%/golden_model_test
TESTS += %D%/golden_model_test
%C%_golden_model_test_SOURCES = %D%/golden_model_test.c
%C%_golden_model_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_golden_model_test_CFLAGS = $(TEST_CFLAGS)
%C%_golden_model_test_LDADD = $(REFEXEC_LIBS)
endif

# The table of doc/models.md is what this test makes.
EXTRA_DIST += doc/models.md
if WITH_CPU
if HAVE_CHECK
check_PROGRAMS += %D%/families_test
TESTS += %D%/families_test
%C%_families_test_SOURCES = %D%/families_test.c
%C%_families_test_CPPFLAGS = $(GOLDEN_CPPFLAGS) -DLM_MODELS_DOC='"$(abs_top_srcdir)/doc/models.md"'
%C%_families_test_CFLAGS = $(TEST_CFLAGS) -DTEST_PLUGIN='"$(abs_top_builddir)/.libs/cpu.so"'
%C%_families_test_LDADD = $(REFEXEC_LIBS)
update-models: %D%/families_test cpu.la
	LM_UPDATE=1 $(builddir)/%D%/families_test
endif
endif
include tests/api/local.mk
include tests/clients/local.mk
include tests/tool/local.mk
include tests/peers/local.mk
include tests/fuzz/local.mk
include tests/reliability/local.mk
include tests/assurance/local.mk

dist_check_SCRIPTS += %D%/golden/chat-template/render_test
TESTS += %D%/golden/chat-template/render_test
EXTRA_DIST += %D%/golden/chat-template/make.py %D%/golden/chat-template/golden.json.xz %D%/data/chat-templates

dist_check_SCRIPTS += %D%/bench_kernels_test
TESTS += %D%/bench_kernels_test

# llmserve quantize, against an independent reader of its files.
dist_check_SCRIPTS += %D%/low_bit_test
TESTS += %D%/low_bit_test
EXTRA_DIST += %D%/lmq_reader.py doc/low-bit-format.md

# A real model as Hugging Face folders, plain and quantized; `make check-checkpoints MODEL=FILE.gguf` of another one (LAYERS=8 FORMS="awq gptq": less of it).
dist_check_SCRIPTS += %D%/checkpoints_test
TESTS += %D%/checkpoints_test
EXTRA_DIST += %D%/checkpoints.py
LAYERS = 0
check-checkpoints: llmserve$(EXEEXT) cpu.la
	@test -n "$(MODEL)" || { echo "which model? make check-checkpoints MODEL=FILE.gguf" >&2; exit 1; }
	LLMSERVE_PLUGIN_DIR='$(abs_top_builddir)/.libs' $(srcdir)/%D%/checkpoints_test $(MODEL) $(LAYERS) $(FORMS)

# Random Unicode against the library: `make check-tokenizers TEXTS=1000000 PYTHON=a Python with tokenizers and sentencepiece`.
check_PROGRAMS += %D%/tok_batch
%C%_tok_batch_SOURCES = %D%/tok_batch.c
%C%_tok_batch_LDADD = libtext.la libmodel.la libbase.la
EXTRA_DIST += %D%/tokenizers_random
TEXTS = 1000000
PYTHON = python3
check-tokenizers: %D%/tok_batch
	TOK_BATCH=$(builddir)/%D%/tok_batch $(PYTHON) $(srcdir)/%D%/tokenizers_random $(TEXTS) $$(date +%s)
.PHONY: check-checkpoints check-tokenizers update-models
# Each command of the page for users of the replaced system.
dist_check_SCRIPTS += %D%/migrate_test
TESTS += %D%/migrate_test
EXTRA_DIST += doc/migrate.md
