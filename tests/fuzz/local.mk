# SPDX-License-Identifier: Apache-2.0
# Each target replays its corpus and changed inputs (replay.c) with whatever compiler there is; configured with --enable-fuzzer,
# libFuzzer drives it. `make fuzz` does that for FUZZ_SECONDS each, in the build that `make sanitize-front` has too, from the corpus
# and what earlier runs found in tests/fuzz/found.
EXTRA_DIST += %D%/corpus %D%/seeds.py

if LIBFUZZER
fuzz_main =
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
AM_TESTS_ENVIRONMENT += LLMSERVE_FUZZ_DRIVER=libfuzzer; export LLMSERVE_FUZZ_DRIVER;
else
fuzz_main = %D%/replay.c
fuzz_ldflags = $(AM_LDFLAGS)
endif
check_PROGRAMS += %D%/http_fuzz %D%/json_fuzz %D%/request_fuzz %D%/ini_fuzz %D%/gguf_fuzz %D%/safetensors_fuzz %D%/tokenizer_fuzz \
	%D%/template_fuzz %D%/grammar_fuzz %D%/tools_fuzz %D%/protocol_fuzz
%C%_http_fuzz_SOURCES = $(fuzz_main) %D%/http_fuzz.c
%C%_http_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_http_fuzz_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_http_fuzz_LDADD = libhttp.la
%C%_json_fuzz_SOURCES = $(fuzz_main) %D%/json_fuzz.c
%C%_json_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_json_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_json_fuzz_LDADD = libjson.la libbase.la
%C%_request_fuzz_SOURCES = $(fuzz_main) %D%/request_fuzz.c
%C%_request_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_request_fuzz_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
%C%_request_fuzz_LDADD = libapi.la $(JANSSON_LIBS)
%C%_ini_fuzz_SOURCES = $(fuzz_main) %D%/ini_fuzz.c
%C%_ini_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_ini_fuzz_LDADD = libconf.la
%C%_gguf_fuzz_SOURCES = $(fuzz_main) %D%/gguf_fuzz.c
%C%_gguf_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_gguf_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_gguf_fuzz_LDADD = libtext.la libmodel.la libbase.la
%C%_safetensors_fuzz_SOURCES = $(fuzz_main) %D%/safetensors_fuzz.c
%C%_safetensors_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_safetensors_fuzz_LDADD = libmodel.la libbase.la
%C%_tokenizer_fuzz_SOURCES = $(fuzz_main) %D%/tokenizer_fuzz.c
%C%_tokenizer_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_tokenizer_fuzz_LDADD = libtext.la libmodel.la libbase.la
%C%_template_fuzz_SOURCES = $(fuzz_main) %D%/template_fuzz.c
%C%_template_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_template_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_template_fuzz_LDADD = libtext.la libmodel.la libbase.la
%C%_grammar_fuzz_SOURCES = $(fuzz_main) %D%/grammar_fuzz.c
%C%_grammar_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_grammar_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_grammar_fuzz_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS)
%C%_tools_fuzz_SOURCES = $(fuzz_main) %D%/tools_fuzz.c
%C%_tools_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_tools_fuzz_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_tools_fuzz_LDADD = libtools.la libbase.la $(JANSSON_LIBS)
%C%_protocol_fuzz_SOURCES = $(fuzz_main) %D%/protocol_fuzz.c
%C%_protocol_fuzz_LDFLAGS = $(fuzz_ldflags)
%C%_protocol_fuzz_LDADD = libengine.la libbase.la
dist_check_SCRIPTS += %D%/corpus_test %D%/mutate_test
TESTS += %D%/corpus_test

# What the API's JSON reader makes of generated bodies, and Node's JSON.parse.
EXTRA_DIST += %D%/json_node.js
EXTRA_PROGRAMS += %D%/json_verdict
%C%_json_verdict_SOURCES = %D%/json_verdict.c
%C%_json_verdict_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_json_verdict_LDADD = libapi.la $(JANSSON_LIBS)
BODIES = 1000000
json-node: tests/fuzz/json_verdict$(EXEEXT)
	node $(srcdir)/tests/fuzz/json_node.js tests/fuzz/json_verdict$(EXEEXT) $(BODIES)
.PHONY: json-node
CLEANFILES += tests/fuzz/json_verdict$(EXEEXT)

# Damaged models: a few in `make check`; `make mutate` makes MUTATIONS of each kind with AddressSanitizer.
EXTRA_DIST += %D%/mutate.c
if HAVE_CHECK
check_PROGRAMS += %D%/mutate
TESTS += %D%/mutate_test
%C%_mutate_SOURCES = %D%/mutate.c
%C%_mutate_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_mutate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_mutate_LDADD = libtext.la $(REFEXEC_LIBS) $(JANSSON_LIBS)
endif
MUTATIONS = 20000
mutate_sources = tests/fuzz/mutate.c $(librefexec_la_SOURCES) $(libtext_la_SOURCES) $(libmodel_la_SOURCES) $(libquant_la_SOURCES) \
	$(libparallel_la_SOURCES) $(libquant_avx2_la_SOURCES) $(libqtype_la_SOURCES) $(libops_la_SOURCES) $(libopsuite_la_SOURCES) $(libbase_la_SOURCES) $(libjson_la_SOURCES)
mutate:
	$(AM_V_GEN)$(CC) -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined $(DEFS) -I. $(GOLDEN_CPPFLAGS) \
	  $(TEST_CFLAGS) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -o tests/fuzz/mutate-asan \
	  $(addprefix $(srcdir)/,$(sort $(filter %.c,$(mutate_sources)))) $(JANSSON_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS) $(TEST_LIBS) -lm -lpthread
	tests/fuzz/mutate-asan $(MUTATIONS) $$(date +%s)
.PHONY: mutate
CLEANFILES += tests/fuzz/mutate-asan mutate.found

FUZZ_SECONDS = 60
fuzz_targets = http json request ini gguf safetensors tokenizer template grammar tools protocol
fuzz: $(fuzz_targets:%=fuzz-%)
fuzz-%:
	+@test "$(FUZZ_CC)" != no || { echo "make fuzz needs clang with its libFuzzer: install clang (Debian, Ubuntu, Fedora)" >&2; exit 1; }
	+@$(sanitize_front_configure) && $(MAKE) -s tests/fuzz/$*_fuzz && $(MKDIR_P) tests/fuzz/found/$* && \
	tests/fuzz/$*_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=10 -artifact_prefix=tests/fuzz/ tests/fuzz/found/$* \
	  '$(abs_srcdir)/tests/fuzz/corpus/$*'
.PHONY: fuzz
