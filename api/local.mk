# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libapi.la
libapi_la_SOURCES = %D%/error.c %D%/error.h %D%/json.c %D%/json.h %D%/workers.c %D%/workers.h %D%/metrics.c %D%/metrics.h \
	%D%/metrics_more.c %D%/metrics_text.h \
	%D%/affinity.c %D%/affinity.h %D%/fleet.c %D%/fleet.h %D%/loader.c %D%/loader.h %D%/supervisor.c %D%/supervisor.h %D%/channel.c %D%/channel.h \
	%D%/adapters.c %D%/adapters.h %D%/admin.c %D%/admin.h %D%/lora_admin.c %D%/lora_admin.h %D%/openapi.c %D%/openapi.h %D%/page.c %D%/page.h \
	%D%/card.c %D%/card.h %D%/guard.c %D%/guard.h %D%/keys.c %D%/keys.h %D%/text.c %D%/text.h %D%/served.c %D%/served.h %D%/inflight.c %D%/inflight.h \
	%D%/server.c %D%/server.h %D%/reload.c %D%/reload.h %D%/status.c %D%/status.h %D%/routes.c %D%/routes.h \
	%D%/record.c %D%/record.h %D%/trace.c %D%/trace.h %D%/otlp.c %D%/otlp.h %D%/service.c %D%/service.h
# openapi.c holds the file itself.
libapi_la_CPPFLAGS = $(AM_CPPFLAGS) -DLM_OPENAPI_FILE='"$(abs_top_srcdir)/%D%/openapi.json"' -DLM_PAGE_DIR='"$(abs_top_srcdir)/%D%/page"'
openapi_object = %D%/libapi_la-openapi.lo
$(openapi_object): %D%/openapi.json
# page.c holds the web page's files.
page_files = %D%/page/index.html %D%/page/page.css %D%/page/icon.svg %D%/page/main.js %D%/page/api.js %D%/page/dom.js %D%/page/chat.js \
	%D%/page/answer.js %D%/page/settings.js %D%/page/markdown.js %D%/page/status.js %D%/page/metrics.js %D%/page/plot.js
page_object = %D%/libapi_la-page.lo
$(page_object): $(page_files)
libapi_la_CFLAGS = $(AM_CFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS) $(SYSTEMD_CFLAGS)
libapi_la_LIBADD = libhttp.la libguard.la libsandbox.la libprotocol.la libtools.la libtext.la libgrammar.la libmodel.la libconf.la libbase.la $(LIBEVENT_LIBS) $(JANSSON_LIBS) $(SYSTEMD_LIBS)

EXTRA_DIST += $(page_files) %D%/openapi.json tests/data/json/cases.txt tests/data/json/LICENSE

if HAVE_CHECK
api_tests = %D%/affinity_test %D%/card_test %D%/channel_test %D%/fleet_test %D%/json_test %D%/keys_test %D%/keys_timing_test %D%/metrics_test %D%/trace_test %D%/workers_test
check_PROGRAMS += $(api_tests)
TESTS += $(api_tests)
%C%_affinity_test_SOURCES = %D%/affinity_test.c
%C%_affinity_test_CFLAGS = $(TEST_CFLAGS)
%C%_affinity_test_LDADD = libapi.la $(TEST_LIBS)
%C%_card_test_SOURCES = %D%/card_test.c
%C%_card_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_card_test_CFLAGS = $(TEST_CFLAGS)
%C%_card_test_LDADD = libapi.la $(TEST_LIBS)
%C%_channel_test_SOURCES = %D%/channel_test.c
%C%_channel_test_CFLAGS = $(TEST_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_channel_test_LDADD = libapi.la $(TEST_LIBS)
%C%_fleet_test_SOURCES = %D%/fleet_test.c
%C%_fleet_test_CFLAGS = $(TEST_CFLAGS)
%C%_fleet_test_LDADD = libapi.la $(TEST_LIBS)
%C%_json_test_SOURCES = %D%/json_test.c
%C%_json_test_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
%C%_json_test_LDADD = libapi.la $(TEST_LIBS)
%C%_keys_test_SOURCES = %D%/keys_test.c
%C%_keys_test_CFLAGS = $(TEST_CFLAGS)
%C%_keys_test_LDADD = libapi.la $(TEST_LIBS)
%C%_keys_timing_test_SOURCES = %D%/keys_timing_test.c
%C%_keys_timing_test_CFLAGS = $(TEST_CFLAGS)
%C%_keys_timing_test_LDADD = libapi.la $(TEST_LIBS) -lm
%C%_metrics_test_SOURCES = %D%/metrics_test.c
%C%_metrics_test_CFLAGS = $(TEST_CFLAGS)
%C%_metrics_test_LDADD = libapi.la $(TEST_LIBS)
%C%_trace_test_SOURCES = %D%/trace_test.c
%C%_trace_test_CFLAGS = $(TEST_CFLAGS)
%C%_trace_test_LDADD = libapi.la $(TEST_LIBS)
%C%_workers_test_SOURCES = %D%/workers_test.c
%C%_workers_test_CFLAGS = $(TEST_CFLAGS) $(LIBEVENT_CFLAGS)
%C%_workers_test_LDADD = libapi.la $(TEST_LIBS)
endif
