# SPDX-License-Identifier: Apache-2.0
# Against other servers, which are not installed in CI: make check-peers.
EXTRA_DIST += %D%/serve_agrees
check-peers: llmserve$(EXEEXT)
	LLMSERVE_BUILD='$(abs_top_builddir)' $(srcdir)/tests/peers/serve_agrees
.PHONY: check-peers
