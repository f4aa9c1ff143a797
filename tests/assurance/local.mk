# SPDX-License-Identifier: Apache-2.0
# Builds of their own, each in its folder of the build tree, in which the tests run again: `make sanitize` with AddressSanitizer and
# UndefinedBehaviorSanitizer, `make tsan` with ThreadSanitizer, `make coverage` with gcov. `make analyze` reads the sources only.
assurance_unit = $(filter-out $(XFAIL_TESTS) backends/cl/% backends/ze/% backends/gpu/%,$(filter $(check_PROGRAMS),$(TESTS)))
SANITIZE_TESTS = $(assurance_unit) tests/http/rfc_test.py tests/http/conn_test.py tests/api/front_test tests/attacks/attacks_test
sanitize_front_built = llmserved llmserve-engine tests/api/fake_engine tests/http/echo $(test_plugins) $(filter tests/fuzz/%_fuzz,$(check_PROGRAMS))
sanitize_front_tests = tests/fuzz/corpus_test $(filter-out %timing_test,$(filter runtime/base/% runtime/text/% conf/% api/% runtime/engine/% cmd/llmserve-engine_test,$(assurance_unit))) \
	tests/http/rfc_test.py tests/http/conn_test.py tests/api/front_test tests/api/family_test tests/attacks/attacks_test
TSAN_TESTS = $(filter runtime/engine/% runtime/parallel/% runtime/model/model_test backends/cpu/cpu_test api/workers_test \
	api/http/server_test cmd/llmserve-engine_test,$(assurance_unit)) tests/api/front_test tests/reliability/cut_test
tsan_front_tests = $(filter runtime/engine/% api/workers_test api/channel_test api/http/server_test cmd/llmserve-engine_test,$(assurance_unit)) \
	tests/api/front_test tests/reliability/cut_test
COVERAGE_TESTS = $(TESTS)

# The same configuration, with what its checks found.
assurance_cache = sed -n '/^ac_cv_env_/d; /^[a-z]*_cv_[A-Za-z0-9_]*=/p' ../config.log > config.cache
assurance_configure = $(MKDIR_P) $(or $(3),$@) && cd $(or $(3),$@) && { test -f Makefile || { $(if $(2),$(assurance_cache),:) && \
	eval "CONFIG_SHELL=$(SHELL) $(SHELL) '$(abs_top_srcdir)/configure' `../config.status --config` -q $(2) $(1)"; }; }
sanitize sanitize-front: export UBSAN_OPTIONS = print_stacktrace=1
sanitize:
	+@$(call assurance_configure,--enable-sanitizers --disable-werror,--cache-file=config.cache) && $(MAKE) -s check TESTS='$(SANITIZE_TESTS)'
# Only what the tests need is built then; the older runtimes of sanitizers do not know the wide layouts of newer kernels.
run_built = $(shell setarch -R true 2>/dev/null && echo setarch -R) \
	$(MAKE) -s -k check-TESTS check_PROGRAMS= check_LTLIBRARIES= VERBOSE=1 TESTS='$(1)'
# What CI runs of them: what reads from outside, without backends, and the engine's and front's threads. Each fuzz target has
# LLMSERVE_FUZZ_SECONDS, by libFuzzer where clang has it; `make fuzz` uses the same build.
sanitize_front_configure = $(call assurance_configure,$(if $(filter no,$(FUZZ_CC)),--enable-sanitizers,--enable-fuzzer CC=$(FUZZ_CC)) \
	--disable-werror --with-backends= --without-mpi CFLAGS=\"-O1 -g\",,sanitize-front)
sanitize-front: export LLMSERVE_FUZZ_SECONDS = 30
sanitize-front:
	+@$(sanitize_front_configure) && $(MAKE) -s $(sanitize_front_built) && $(call run_built,$(sanitize_front_tests))
tsan-front:
	+@$(call assurance_configure,--enable-tsan --disable-werror --with-backends= --without-mpi CFLAGS=\"-O1 -g\",--cache-file=config.cache) && \
	$(MAKE) -s $(sanitize_front_built) && $(call run_built,$(tsan_front_tests))
tsan:
	+@$(call assurance_configure,--enable-tsan --disable-werror,--cache-file=config.cache) && $(MAKE) -s check TESTS='$(TSAN_TESTS)'
coverage valgrind: export CK_TIMEOUT_MULTIPLIER = 30
coverage:
	+@$(call assurance_configure,--enable-coverage --disable-werror CFLAGS=\"-O1 -g\") && $(MAKE) -s -k check TESTS='$(COVERAGE_TESTS)'; \
	'$(abs_top_srcdir)/tests/assurance/coverage' '$(abs_top_srcdir)' .
# No build of its own: the tests of what reads from outside and of the engine, as they are, watched instruction by instruction; not
# those that go through all of a type's values.
VALGRIND_TESTS = $(filter-out %timing_test %sandbox_test %half_test %quant_test %low_bit_test %lmq_test %stream_test, \
	$(filter runtime/base/% runtime/text/% runtime/model/% runtime/engine/% conf/% api/%,$(assurance_unit)))
valgrind: all
	+$(MAKE) -s -k check TESTS='$(VALGRIND_TESTS)' LOG_COMPILER='$(LIBTOOL) --mode=execute valgrind' \
	  LOG_FLAGS='-q --suppressions=$(abs_srcdir)/tests/assurance/valgrind.supp --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite'
.PHONY: sanitize sanitize-front tsan tsan-front coverage valgrind analyze

analyze_flags = -std=gnu11 -O2 $(DEFS) -I. $(AM_CPPFLAGS) $(CPPFLAGS) $(libapi_la_CPPFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) \
	$(UTF8PROC_CFLAGS) $(INIH_CFLAGS) $(LIBCURL_CFLAGS) $(LIBEDIT_CFLAGS) $(TLS_CFLAGS) $(SYSTEMD_CFLAGS) $(MPI_CFLAGS)
analyze:
	@$(srcdir)/tests/assurance/analyze '$(srcdir)' $(CC) $(analyze_flags)
EXTRA_DIST += tests/assurance/valgrind.supp tests/assurance/analyze tests/assurance/accepted.txt tests/assurance/coverage
