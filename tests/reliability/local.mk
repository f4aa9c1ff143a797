# SPDX-License-Identifier: Apache-2.0
# Bars of doc/reliability.md: in seconds by `make check`; with the counts that they name by `make chaos-loss` and so on, all by `make chaos`.
reliability_bars = loss cut crash health overload drain reload slow fault many privacy
reliability_tests = %D%/loss_test %D%/cut_test %D%/crash_test %D%/health_test %D%/overload_test %D%/drain_test %D%/reload_test %D%/slow_test \
	%D%/fault_test %D%/many_test %D%/privacy_test %D%/soak_test
dist_check_SCRIPTS += $(reliability_tests)
EXTRA_DIST += %D%/kit.py %D%/cut.py
TESTS += $(reliability_tests)

$(reliability_bars:%=chaos-%) chaos-soak: all $(test_plugins)
	@LLMSERVE_RELIABILITY=long $(srcdir)/tests/reliability/$(@:chaos-%=%)_test
chaos: $(reliability_bars:%=chaos-%)
soak: chaos-soak
.PHONY: chaos soak chaos-soak $(reliability_bars:%=chaos-%)
