# SPDX-License-Identifier: Apache-2.0
libapi_la_SOURCES += %D%/llama.h %D%/shape.c %D%/shape.h %D%/completion.c %D%/infill.c %D%/embedding.c %D%/props.c %D%/router.c %D%/slots.c
