# SPDX-License-Identifier: Apache-2.0
# The documentation as web pages, in html/: needs lowdown and mandoc.
html-local:
	$(AM_V_GEN)$(srcdir)/%D%/site html
clean-local:
	rm -rf html
EXTRA_DIST += %D% NEWS.md SECURITY.md
dist_check_SCRIPTS += %D%/site_test
TESTS += %D%/site_test
