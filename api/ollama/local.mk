# SPDX-License-Identifier: Apache-2.0
libapi_la_SOURCES += %D%/ollama.h %D%/chat.c %D%/convert.c %D%/models.c %D%/embed.c
