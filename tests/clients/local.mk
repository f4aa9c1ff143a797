# SPDX-License-Identifier: Apache-2.0
# Unmodified clients. `make check` runs those that ./quickstart test installs and skips the others; `make check-clients` installs the
# large ones too, in the build folder, and runs them all, schemathesis with CLIENT_EXAMPLES for each operation. A browser is one: page_test.
client_tests = %D%/python_test %D%/node_test %D%/anthropic_test %D%/ollama_test %D%/ai_test %D%/page_test
more_client_tests = %D%/litellm_test %D%/langchain_test %D%/schemathesis_test
dist_check_SCRIPTS += $(client_tests) $(more_client_tests)
EXTRA_DIST += %D%/client.py %D%/node_test.cjs %D%/ai_test.cjs %D%/langchain_test.cjs %D%/page_test.cjs
TESTS += $(client_tests)

clients_pip = openai==3.57.0 anthropic==2.14.0 ollama==0.6.3 litellm==1.110.2 schemathesis==4.32.5
clients_npm = openai@7.57.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 @langchain/openai@1.5.8 @langchain/core@1.4.0 playwright-core@1.65.1
CLIENT_EXAMPLES = 20
clients/all.done: %D%/local.mk
	$(AM_V_at)$(MKDIR_P) clients/all-node
	python3 -m venv --without-pip --clear clients/all-python
	python3 -m pip --python clients/all-python/bin/python install -q --disable-pip-version-check --no-input $(clients_pip)
	npm install --prefix clients/all-node --no-save --no-audit --no-fund --ignore-scripts --loglevel=error $(clients_npm)
	$(AM_V_at)touch $@
check-clients: all $(check_PROGRAMS) clients/all.done
	for t in $(client_tests) $(more_client_tests); do echo "$$t:"; \
	  LLMSERVE_EXAMPLES=$(CLIENT_EXAMPLES) LLMSERVE_CLIENT_PYTHON=$(abs_builddir)/clients/all-python/bin/python \
	  NODE_PATH=$(abs_builddir)/clients/all-node/node_modules $(srcdir)/$$t || exit 1; done
.PHONY: check-clients
