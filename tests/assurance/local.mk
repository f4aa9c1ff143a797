# SPDX-License-Identifier: Apache-2.0
# Builds of their own, each in its folder of the build tree, in which the tests run again: `make sanitize` with AddressSanitizer and
# UndefinedBehaviorSanitizer, `make tsan` with ThreadSanitizer, `make coverage` with gcov. `make analyze` reads the sources only.
assurance_unit = $(filter-out $(XFAIL_TESTS) backends/cl/% backends/ze/% backends/gpu/%,$(filter $(check_PROGRAMS),$(TESTS)))
SANITIZE_TESTS = $(assurance_unit) tests/http/rfc_test.py tests/http/conn_test.py tests/api/front_test tests/attacks/attacks_test
TSAN_TESTS = $(filter runtime/engine/% runtime/parallel/% runtime/model/model_test backends/cpu/cpu_test api/workers_test \
	api/http/server_test cmd/llmserve-engine_test,$(assurance_unit)) tests/api/front_test tests/reliability/cut_test
COVERAGE_TESTS = $(TESTS)

# The same configuration, with what its checks found.
assurance_cache = sed -n '/^[a-z]*_cv_[A-Za-z0-9_]*=/p' ../config.log > config.cache
assurance_configure = $(MKDIR_P) $@ && cd $@ && { test -f Makefile || { $(if $(2),$(assurance_cache),:) && \
	eval "CONFIG_SHELL=$(SHELL) $(SHELL) '$(abs_top_srcdir)/configure' `../config.status --config` -q $(2) $(1)"; }; }
sanitize tsan: export UBSAN_OPTIONS = print_stacktrace=1
sanitize:
	+@$(call assurance_configure,--enable-sanitizers --disable-werror,--cache-file=config.cache) && $(MAKE) -s check TESTS='$(SANITIZE_TESTS)'
tsan:
	+@$(call assurance_configure,--enable-tsan --disable-werror,--cache-file=config.cache) && $(MAKE) -s check TESTS='$(TSAN_TESTS)'
coverage:
	+@$(call assurance_configure,CFLAGS=\"-O1 -g --coverage\" --disable-hardening --disable-werror) && $(MAKE) -s -k check TESTS='$(COVERAGE_TESTS)'; \
	'$(abs_top_srcdir)/tests/assurance/coverage' '$(abs_top_srcdir)' .
.PHONY: sanitize tsan coverage analyze

analyze_flags = -std=gnu11 -O2 $(DEFS) -I. $(AM_CPPFLAGS) $(CPPFLAGS) $(libapi_la_CPPFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS) $(PCRE2_CFLAGS) \
	$(UTF8PROC_CFLAGS) $(INIH_CFLAGS) $(LIBCURL_CFLAGS) $(LIBEDIT_CFLAGS) $(TLS_CFLAGS) $(SYSTEMD_CFLAGS) $(MPI_CFLAGS)
analyze:
	@$(srcdir)/tests/assurance/analyze '$(srcdir)' $(CC) $(analyze_flags)
EXTRA_DIST += tests/assurance/analyze tests/assurance/accepted.txt tests/assurance/coverage
