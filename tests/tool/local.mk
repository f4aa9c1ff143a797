# SPDX-License-Identifier: Apache-2.0
# The tool as its users run it.
dist_check_SCRIPTS += %D%/rows_test %D%/client_test %D%/model_test %D%/doctor_test
TESTS += %D%/rows_test %D%/client_test %D%/model_test %D%/doctor_test
EXTRA_DIST += %D%/tool.py
