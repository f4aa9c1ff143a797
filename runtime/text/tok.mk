# SPDX-License-Identifier: Apache-2.0
# The tokenizer's part of libtext.la.
text_tok_sources = %D%/tokenizer.c %D%/tokenizer.h %D%/encode.c %D%/encoder.h %D%/detokenizer.c \
	%D%/vocab.c %D%/vocab.h %D%/vocab_special.c %D%/special.c %D%/special.h %D%/merge.c %D%/merge.h \
	%D%/bpe.c %D%/bpe.h %D%/pretok.c %D%/pretok.h %D%/pretok_table.c %D%/rx.c %D%/rx.h %D%/newer_unicode.h %D%/nfc.c %D%/nfc.h %D%/folder.c %D%/folder.h
include runtime/text/hf/hf.mk
libtext_la_SOURCES += $(text_tok_sources)
EXTRA_DIST += %D%/newer_unicode.py \
	tests/golden/tokenizer/make.py tests/golden/tokenizer/pretok.json tests/golden/tokenizer/encode.json \
	tests/data/vocab/LICENSE.llama.cpp tests/data/vocab/ggml-vocab.inp \
	tests/data/vocab/ggml-vocab-deepseek-coder.gguf.xz tests/data/vocab/ggml-vocab-deepseek-coder.gguf.out \
	tests/data/vocab/ggml-vocab-gpt-2.gguf.xz tests/data/vocab/ggml-vocab-gpt-2.gguf.out \
	tests/data/vocab/ggml-vocab-llama-bpe.gguf.xz tests/data/vocab/ggml-vocab-llama-bpe.gguf.out \
	tests/data/vocab/ggml-vocab-llama-spm.gguf.xz tests/data/vocab/ggml-vocab-llama-spm.gguf.out \
	tests/data/vocab/ggml-vocab-phi-3.gguf.xz tests/data/vocab/ggml-vocab-phi-3.gguf.out \
	tests/data/vocab/ggml-vocab-qwen2.gguf.xz tests/data/vocab/ggml-vocab-qwen2.gguf.out

if HAVE_CHECK
text_tok_tests = %D%/tokenizer_test %D%/detokenizer_test %D%/vocab_test %D%/pretok_test %D%/nfc_test %D%/golden_test
text_tok_ldadd = libtext.la libmodel.la libbase.la $(TEST_LIBS)
text_tok_cflags = $(TEST_CFLAGS) $(PCRE2_CFLAGS) $(JANSSON_CFLAGS)
check_PROGRAMS += $(text_tok_tests)
TESTS += $(text_tok_tests)
%C%_tokenizer_test_SOURCES = %D%/tokenizer_test.c %D%/tok_fixture.h
%C%_tokenizer_test_CFLAGS = $(text_tok_cflags)
%C%_tokenizer_test_LDADD = $(text_tok_ldadd)
%C%_detokenizer_test_SOURCES = %D%/detokenizer_test.c
%C%_detokenizer_test_CFLAGS = $(text_tok_cflags)
%C%_detokenizer_test_LDADD = $(text_tok_ldadd)
%C%_vocab_test_SOURCES = %D%/vocab_test.c
%C%_vocab_test_CFLAGS = $(text_tok_cflags)
%C%_vocab_test_LDADD = $(text_tok_ldadd)
%C%_pretok_test_SOURCES = %D%/pretok_test.c
%C%_pretok_test_CFLAGS = $(text_tok_cflags)
%C%_pretok_test_LDADD = $(text_tok_ldadd)
%C%_nfc_test_SOURCES = %D%/nfc_test.c
%C%_nfc_test_CFLAGS = $(text_tok_cflags)
%C%_nfc_test_LDADD = $(text_tok_ldadd)
%C%_golden_test_SOURCES = %D%/golden_test.c
%C%_golden_test_CFLAGS = $(text_tok_cflags)
%C%_golden_test_LDADD = $(text_tok_ldadd)
endif
