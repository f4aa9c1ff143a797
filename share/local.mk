# SPDX-License-Identifier: Apache-2.0
# The replaced scripts' equals, and completion of the tool in shells, made by the tool from its rows.
pkgshareddir = $(datadir)/llmserve
dist_pkgshared_DATA = %D%/llmserve/payload-1024.lua
dist_pkgshared_SCRIPTS = %D%/llmserve/start-llmserve-service.sh %D%/llmserve/benchmark-throughput.sh %D%/llmserve/online-benchmark.sh

bashdir = $(datadir)/bash-completion/completions
zshdir = $(datadir)/zsh/site-functions
fishdir = $(datadir)/fish/vendor_completions.d
nodist_bash_DATA = %D%/completion/llmserve
nodist_zsh_DATA = %D%/completion/_llmserve
nodist_fish_DATA = %D%/completion/llmserve.fish
CLEANFILES += $(nodist_bash_DATA) $(nodist_zsh_DATA) $(nodist_fish_DATA)

%D%/completion/llmserve: llmserve$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./llmserve completion bash > $@.tmp && mv $@.tmp $@
%D%/completion/_llmserve: llmserve$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./llmserve completion zsh > $@.tmp && mv $@.tmp $@
%D%/completion/llmserve.fish: llmserve$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && ./llmserve completion fish > $@.tmp && mv $@.tmp $@
