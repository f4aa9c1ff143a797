# SPDX-License-Identifier: Apache-2.0
libapi_la_SOURCES += %D%/openai.h %D%/gen.c %D%/gen.h %D%/intake.c %D%/messages.c %D%/plain.c %D%/plain.h %D%/render.c %D%/tools.c %D%/choice.c %D%/said.c %D%/shape.c %D%/params.c %D%/params.h %D%/params_list.c %D%/params_list.h %D%/params_check.c %D%/params_check.h %D%/beam.c %D%/beam.h %D%/responses.c %D%/responses.h %D%/responses_convert.c %D%/store.c %D%/store.h %D%/tokenize.c %D%/embed.c %D%/embed.h %D%/score.c %D%/pooling.c %D%/prompt_logprobs.c %D%/tell.c \
	%D%/prompt_logprobs.h %D%/words.c %D%/words.h %D%/defaults.c %D%/defaults.h \
	%D%/logprobs.c %D%/logprobs.h %D%/stop.c %D%/stop.h %D%/models.c %D%/constrain.c %D%/constrain.h

if HAVE_CHECK
openai_tests = %D%/constrain_test %D%/stop_test %D%/stream_test %D%/params_test %D%/logprobs_test
check_PROGRAMS += $(openai_tests)
TESTS += $(openai_tests)
%C%_stream_test_SOURCES = %D%/stream_test.c
%C%_stream_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_stream_test_LDADD = libapi.la $(TEST_LIBS)
%C%_stop_test_SOURCES = %D%/stop_test.c
%C%_stop_test_CFLAGS = $(TEST_CFLAGS)
%C%_stop_test_LDADD = libapi.la $(TEST_LIBS)
%C%_constrain_test_SOURCES = %D%/constrain_test.c
%C%_constrain_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_constrain_test_LDADD = libapi.la $(TEST_LIBS)
%C%_params_test_SOURCES = %D%/params_test.c
%C%_params_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_params_test_LDADD = libapi.la $(TEST_LIBS)
%C%_logprobs_test_SOURCES = %D%/logprobs_test.c %D%/logprobs.c
%C%_logprobs_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_logprobs_test_LDADD = libbase.la $(JANSSON_LIBS) $(TEST_LIBS)
endif
