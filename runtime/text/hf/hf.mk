# SPDX-License-Identifier: Apache-2.0
# Tokenizers of Hugging Face folders: their part of libtext.la.
libtext_la_SOURCES += %D%/hf.h %D%/file.h %D%/file.c %D%/model.c %D%/tokens.c %D%/post.c %D%/encode.c %D%/words.c \
	%D%/unigram.c %D%/added.h %D%/added.c %D%/norm.h %D%/norm.c %D%/norm_load.c %D%/split.h %D%/split.c \
	%D%/split_load.c %D%/dec.h %D%/dec.c %D%/dec_load.c %D%/pattern.h %D%/pattern.c %D%/onig.h %D%/onig.c \
	%D%/trie.h %D%/trie.c %D%/charsmap.h %D%/charsmap.c %D%/uclass.h %D%/uclass.c %D%/uclass_table.h \
	%D%/jget.h %D%/jget.c %D%/pull.h %D%/pull.c
EXTRA_DIST += %D%/uclass_table.py
