# SPDX-License-Identifier: Apache-2.0
llmserveinclude_HEADERS = %D%/err.h %D%/qtype.h %D%/op.h %D%/backend.h
