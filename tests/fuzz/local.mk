# SPDX-License-Identifier: Apache-2.0
# `make fuzz` builds the targets with clang's libFuzzer and runs each for FUZZ_SECONDS, from the corpus and what earlier runs
# found in tests/fuzz/found. `make check` replays the corpus and two seconds of changed inputs, with whatever compiler there is.
EXTRA_DIST += %D%/corpus %D%/seeds.py

check_PROGRAMS += %D%/http_replay %D%/json_replay %D%/request_replay %D%/ini_replay %D%/gguf_replay %D%/safetensors_replay %D%/tokenizer_replay \
	%D%/template_replay %D%/grammar_replay %D%/tools_replay %D%/protocol_replay
%C%_http_replay_SOURCES = %D%/replay.c %D%/http_fuzz.c
%C%_http_replay_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_http_replay_LDADD = libhttp.la
%C%_json_replay_SOURCES = %D%/replay.c %D%/json_fuzz.c
%C%_json_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_json_replay_LDADD = libjson.la libbase.la
%C%_request_replay_SOURCES = %D%/replay.c %D%/request_fuzz.c
%C%_request_replay_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
%C%_request_replay_LDADD = libapi.la $(JANSSON_LIBS)
%C%_ini_replay_SOURCES = %D%/replay.c %D%/ini_fuzz.c
%C%_ini_replay_LDADD = libconf.la
%C%_gguf_replay_SOURCES = %D%/replay.c %D%/gguf_fuzz.c
%C%_gguf_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_gguf_replay_LDADD = libtext.la libmodel.la libbase.la
%C%_safetensors_replay_SOURCES = %D%/replay.c %D%/safetensors_fuzz.c
%C%_safetensors_replay_LDADD = libmodel.la libbase.la
%C%_tokenizer_replay_SOURCES = %D%/replay.c %D%/tokenizer_fuzz.c
%C%_tokenizer_replay_LDADD = libtext.la libmodel.la libbase.la
%C%_template_replay_SOURCES = %D%/replay.c %D%/template_fuzz.c
%C%_template_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_template_replay_LDADD = libtext.la libmodel.la libbase.la
%C%_grammar_replay_SOURCES = %D%/replay.c %D%/grammar_fuzz.c
%C%_grammar_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_grammar_replay_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS)
%C%_tools_replay_SOURCES = %D%/replay.c %D%/tools_fuzz.c
%C%_tools_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_tools_replay_LDADD = libtools.la libbase.la $(JANSSON_LIBS)
%C%_protocol_replay_SOURCES = %D%/replay.c %D%/protocol_fuzz.c
%C%_protocol_replay_LDADD = libengine.la libbase.la
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
FUZZ_CFLAGS = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzz_targets = http json request ini gguf safetensors tokenizer template grammar tools protocol
fuzz_base = $(filter %.c,$(libbase_la_SOURCES) $(libjson_la_SOURCES))
fuzz_model = $(filter %.c,$(libmodel_la_SOURCES) $(libquant_la_SOURCES) $(libquant_avx2_la_SOURCES) $(libqtype_la_SOURCES)) $(fuzz_base)
fuzz_text = $(filter %.c,$(libtext_la_SOURCES)) $(fuzz_model)
fuzz_http = tests/fuzz/http_fuzz.c $(filter api/http/%.c,$(libhttp_la_SOURCES)) $(fuzz_base)
fuzz_json = tests/fuzz/json_fuzz.c $(fuzz_base)
fuzz_request = tests/fuzz/request_fuzz.c $(filter api/error.c api/json.c api/openai/params%.c api/openai/stop.c,$(libapi_la_SOURCES)) $(fuzz_base)
fuzz_ini = tests/fuzz/ini_fuzz.c $(filter %.c,$(libconf_la_SOURCES)) $(fuzz_base)
fuzz_gguf = tests/fuzz/gguf_fuzz.c $(fuzz_text)
fuzz_safetensors = tests/fuzz/safetensors_fuzz.c $(fuzz_model)
fuzz_tokenizer = tests/fuzz/tokenizer_fuzz.c $(fuzz_text)
fuzz_template = tests/fuzz/template_fuzz.c $(fuzz_text)
fuzz_grammar = tests/fuzz/grammar_fuzz.c $(filter %.c,$(libgrammar_la_SOURCES) $(libgrammarrun_la_SOURCES)) $(fuzz_base)
fuzz_tools = tests/fuzz/tools_fuzz.c $(filter %.c,$(libtools_la_SOURCES) $(libgrammar_la_SOURCES) $(libgrammarrun_la_SOURCES)) $(fuzz_base)
fuzz_protocol = tests/fuzz/protocol_fuzz.c $(filter %/constraint.c %/draft.c %/dry.c %/kv.c %/request.c %/think.c,$(libengine_la_SOURCES)) \
	$(filter %.c,$(libprotocol_la_SOURCES) $(libgrammarrun_la_SOURCES)) $(fuzz_base)
fuzz_cflags = $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS) $(INIH_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS)
fuzz_libs = $(LIBEVENT_LIBS) $(TLS_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS) -lm -lpthread

fuzz: $(fuzz_targets:%=fuzz-%)
fuzz-%:
	@test "$(FUZZ_CC)" != no || { echo "make fuzz needs clang with its libFuzzer: install clang (Debian, Ubuntu, Fedora)" >&2; exit 1; }
	$(AM_V_at)$(MKDIR_P) tests/fuzz/found/$*
	$(AM_V_GEN)$(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFS) -I. $(AM_CPPFLAGS) $(fuzz_cflags) -o tests/fuzz/$*_fuzz $(addprefix $(srcdir)/,$(sort $(fuzz_$*))) $(fuzz_libs)
	tests/fuzz/$*_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=10 -artifact_prefix=tests/fuzz/ \
	  tests/fuzz/found/$* $(srcdir)/tests/fuzz/corpus/$*
.PHONY: fuzz
CLEANFILES += $(fuzz_targets:%=tests/fuzz/%_fuzz)
