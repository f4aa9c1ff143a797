# SPDX-License-Identifier: Apache-2.0
libapi_la_SOURCES += %D%/anthropic.h %D%/convert.c %D%/messages.c
