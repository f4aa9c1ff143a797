# SPDX-License-Identifier: Apache-2.0
# Tokenizers of Hugging Face folders: their part of libtext.la.
libtext_la_SOURCES += %D%/hf.h %D%/file.h %D%/file.c %D%/open.c %D%/gguf.c %D%/model.c %D%/tokens.c %D%/post.c %D%/encode.c %D%/words.c \
	%D%/unigram.c %D%/added.h %D%/added.c %D%/norm.h %D%/norm.c %D%/norm_load.c %D%/split.h %D%/split.c \
	%D%/split_load.c %D%/dec.h %D%/dec.c %D%/dec_load.c %D%/pattern.h %D%/pattern.c %D%/onig.h %D%/onig.c \
	%D%/trie.h %D%/trie.c %D%/charsmap.h %D%/charsmap.c %D%/uclass.h %D%/uclass.c %D%/uclass_table.h \
	%D%/jget.h %D%/jget.c %D%/spm.h %D%/spm.c %D%/spm_norm.c
EXTRA_DIST += %D%/uclass_table.py tests/golden/hf/make.py tests/golden/hf/golden.json.xz

if HAVE_CHECK
text_hf_tests = %D%/golden_test %D%/file_test %D%/folder_test
check_PROGRAMS += $(text_hf_tests)
TESTS += $(text_hf_tests)
text_hf_ldadd = libtext.la libmodel.la libbase.la $(TEST_LIBS)
text_hf_cflags = $(TEST_CFLAGS) $(PCRE2_CFLAGS) $(JANSSON_CFLAGS)
%C%_golden_test_SOURCES = %D%/golden_test.c
%C%_golden_test_CFLAGS = $(text_hf_cflags)
%C%_golden_test_LDADD = $(text_hf_ldadd)
%C%_file_test_SOURCES = %D%/file_test.c
%C%_file_test_CFLAGS = $(text_hf_cflags)
%C%_file_test_LDADD = $(text_hf_ldadd)
%C%_folder_test_SOURCES = %D%/folder_test.c
%C%_folder_test_CFLAGS = $(text_hf_cflags)
%C%_folder_test_LDADD = $(text_hf_ldadd)
endif
