# SPDX-License-Identifier: Apache-2.0
# The classes of attacks on servers of models: one folder each. LLMSERVE_BUILD, as for the tests under tests/api, is the working folder.
dist_check_SCRIPTS += %D%/attacks_test
TESTS += %D%/attacks_test
attacks = 01-headers 02-chunks 03-smuggling 04-paths 05-keys 06-origins 07-compressed 08-errors 09-counts 10-integers 11-floats \
	12-empty 13-special-tokens 14-pairs 15-schemas 16-deep 17-wide 18-patterns 19-caches 20-output 21-template-code \
	22-template-steps 23-template-memory 24-sizes 25-truncated 26-offsets 27-zeros 28-vocabulary 29-stale 30-outbound \
	31-model-code 32-shared-cache 33-between-processes
EXTRA_DIST += %D%/kit.py $(attacks:%=tests/attacks/%/attack.py)
