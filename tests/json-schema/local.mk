# SPDX-License-Identifier: Apache-2.0
dist_check_SCRIPTS += %D%/suite_test
TESTS += %D%/suite_test
EXTRA_DIST += tests/data/json-schema
