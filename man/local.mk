# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += %D%/llmserved.8 %D%/llmserve.1 %D%/llmserve.ini.5 %D%/llmserve-engine.8
dist_check_SCRIPTS += %D%/man_test
TESTS += %D%/man_test
