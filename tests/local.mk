# SPDX-License-Identifier: Apache-2.0
dist_check_SCRIPTS += %D%/layers_test %D%/headers_test
TESTS += %D%/layers_test %D%/headers_test
EXTRA_DIST += %D%/suite.h ARCHITECTURE.md autogen.sh quickstart
AM_TESTS_ENVIRONMENT = CC='$(CC)'; export CC;
include tests/http/local.mk
