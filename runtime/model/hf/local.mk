# SPDX-License-Identifier: Apache-2.0
libmodel_la_SOURCES += runtime/model/map.c runtime/model/map.h runtime/model/source.c runtime/model/source.h runtime/model/split.c \
	%D%/json.c %D%/json.h %D%/safetensors.c %D%/safetensors.h %D%/shards.c %D%/shards.h %D%/config.c %D%/config.h %D%/rope.c \
	%D%/quant.c %D%/quant.h %D%/made.c %D%/made.h %D%/ints.c %D%/tensors.c %D%/tensors.h %D%/hf.c %D%/hf.h \
	%D%/family.c %D%/family.h %D%/llama.c %D%/qwen2.c %D%/gemma3.c
