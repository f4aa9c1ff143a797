# SPDX-License-Identifier: Apache-2.0
# `make fuzz` builds the targets with clang's libFuzzer and runs each for FUZZ_SECONDS, from the corpus and what earlier runs
# found in tests/fuzz/found. `make check` only replays the corpus, with whatever compiler there is.
EXTRA_DIST += %D%/corpus %D%/seeds.py %D%/http_fuzz.c %D%/request_fuzz.c %D%/grammar_fuzz.c %D%/tools_fuzz.c

check_PROGRAMS += %D%/http_replay %D%/request_replay %D%/grammar_replay %D%/tools_replay
%C%_http_replay_SOURCES = %D%/replay.c %D%/http_fuzz.c
%C%_http_replay_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_http_replay_LDADD = libhttp.la
%C%_request_replay_SOURCES = %D%/replay.c %D%/request_fuzz.c
%C%_request_replay_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
%C%_request_replay_LDADD = libapi.la $(JANSSON_LIBS)
%C%_grammar_replay_SOURCES = %D%/replay.c %D%/grammar_fuzz.c
%C%_grammar_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_grammar_replay_LDADD = libgrammar.la libbase.la $(JANSSON_LIBS)
%C%_tools_replay_SOURCES = %D%/replay.c %D%/tools_fuzz.c
%C%_tools_replay_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
%C%_tools_replay_LDADD = libtools.la libbase.la $(JANSSON_LIBS)
dist_check_SCRIPTS += %D%/corpus_test %D%/mutate_test
TESTS += %D%/corpus_test

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
	$(libquant_avx2_la_SOURCES) $(libqtype_la_SOURCES) $(libops_la_SOURCES) $(libopsuite_la_SOURCES) $(libbase_la_SOURCES) $(libjson_la_SOURCES)
mutate:
	$(AM_V_GEN)$(CC) -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined $(DEFS) -I. $(GOLDEN_CPPFLAGS) \
	  $(TEST_CFLAGS) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) $(UTF8PROC_CFLAGS) -o tests/fuzz/mutate-asan \
	  $(addprefix $(srcdir)/,$(sort $(filter %.c,$(mutate_sources)))) $(JANSSON_LIBS) $(PCRE2_LIBS) $(UTF8PROC_LIBS) $(TEST_LIBS) -lm -lpthread
	tests/fuzz/mutate-asan $(MUTATIONS) $$(date +%s)
.PHONY: mutate
CLEANFILES += tests/fuzz/mutate-asan mutate.found

FUZZ_SECONDS = 60
FUZZ_CFLAGS = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
fuzz_targets = http request grammar tools
fuzz_base = $(filter %.c,$(libbase_la_SOURCES) $(libjson_la_SOURCES))
fuzz_http = tests/fuzz/http_fuzz.c $(filter api/http/%.c,$(libhttp_la_SOURCES)) $(fuzz_base)
fuzz_request = tests/fuzz/request_fuzz.c $(filter api/error.c api/json.c api/openai/params%.c api/openai/stop.c,$(libapi_la_SOURCES)) $(fuzz_base)
fuzz_grammar = tests/fuzz/grammar_fuzz.c $(filter %.c,$(libgrammar_la_SOURCES) $(libgrammarrun_la_SOURCES)) $(fuzz_base)
fuzz_tools = tests/fuzz/tools_fuzz.c $(filter %.c,$(libtools_la_SOURCES) $(libgrammar_la_SOURCES) $(libgrammarrun_la_SOURCES)) $(fuzz_base)

fuzz: $(fuzz_targets:%=fuzz-%)
fuzz-%:
	@test "$(FUZZ_CC)" != no || { echo "make fuzz needs clang with its libFuzzer: install clang (Debian, Ubuntu, Fedora)" >&2; exit 1; }
	$(AM_V_at)$(MKDIR_P) tests/fuzz/found/$*
	$(AM_V_GEN)$(FUZZ_CC) $(FUZZ_CFLAGS) $(DEFS) -I. $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS) \
	  -o tests/fuzz/$*_fuzz $(addprefix $(srcdir)/,$(fuzz_$*)) $(LIBEVENT_LIBS) $(JANSSON_LIBS)
	tests/fuzz/$*_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -artifact_prefix=tests/fuzz/ \
	  tests/fuzz/found/$* $(srcdir)/tests/fuzz/corpus/$*
.PHONY: fuzz
CLEANFILES += $(fuzz_targets:%=tests/fuzz/%_fuzz)
