# SPDX-License-Identifier: Apache-2.0
dist_check_SCRIPTS += %D%/python_test %D%/node_test
EXTRA_DIST += %D%/node_test.cjs
TESTS += %D%/python_test %D%/node_test
