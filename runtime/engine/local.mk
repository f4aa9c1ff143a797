# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libprotocol.la libguard.la libsandbox.la libengine.la
libguard_la_SOURCES = %D%/guard.c %D%/guard.h
libsandbox_la_SOURCES = %D%/sandbox.c %D%/sandbox.h
libprotocol_la_SOURCES = %D%/protocol.c %D%/protocol.h
libengine_la_SOURCES = %D%/kv.c %D%/kv.h %D%/lora.c %D%/lora.h %D%/dry.c %D%/dry.h %D%/think.c %D%/think.h %D%/constraint.c %D%/constraint.h %D%/request.c %D%/request.h %D%/draft.c %D%/draft.h %D%/spec.c %D%/spec.h \
	%D%/checksum.h %D%/kvfile.c %D%/kvfile.h %D%/tier.c %D%/tier.h %D%/sched.c %D%/sched.h %D%/slot.c %D%/slot.h %D%/step.c %D%/step.h \
	%D%/engine.c %D%/engine.h %D%/land.c %D%/land.h %D%/boot.c %D%/boot.h %D%/eval.c %D%/eval.h %D%/loop.c %D%/loop.h
libengine_la_LIBADD = libparallel.la libguard.la libsandbox.la libprotocol.la libgrammarrun.la

if HAVE_CHECK
engine_tests = %D%/protocol_test %D%/kv_test %D%/dry_test %D%/think_test %D%/constraint_test %D%/request_test %D%/draft_test %D%/spec_test %D%/engine_test %D%/engine_draft_test %D%/engine_flight_test %D%/tier_test %D%/kvfile_test %D%/loop_test %D%/boot_test %D%/sandbox_test
check_PROGRAMS += $(engine_tests)
TESTS += $(engine_tests)
%C%_protocol_test_SOURCES = %D%/protocol_test.c
%C%_protocol_test_CFLAGS = $(TEST_CFLAGS)
%C%_protocol_test_LDADD = libprotocol.la libbase.la $(TEST_LIBS)
%C%_sandbox_test_SOURCES = %D%/sandbox_test.c
%C%_sandbox_test_CFLAGS = $(TEST_CFLAGS)
%C%_sandbox_test_LDADD = libsandbox.la libbase.la $(TEST_LIBS)
%C%_kv_test_SOURCES = %D%/kv_test.c
%C%_kv_test_CFLAGS = $(TEST_CFLAGS)
%C%_kv_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_think_test_SOURCES = %D%/think_test.c
%C%_think_test_CFLAGS = $(TEST_CFLAGS)
%C%_think_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_dry_test_SOURCES = %D%/dry_test.c
%C%_dry_test_CFLAGS = $(TEST_CFLAGS)
%C%_dry_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_constraint_test_SOURCES = %D%/constraint_test.c
%C%_constraint_test_CFLAGS = $(TEST_CFLAGS)
%C%_constraint_test_LDADD = libengine.la libgrammar.la libbase.la $(TEST_LIBS)
%C%_request_test_SOURCES = %D%/request_test.c
%C%_request_test_CFLAGS = $(TEST_CFLAGS)
%C%_request_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_draft_test_SOURCES = %D%/draft_test.c
%C%_draft_test_CFLAGS = $(TEST_CFLAGS)
%C%_draft_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_spec_test_SOURCES = %D%/spec_test.c
%C%_spec_test_CFLAGS = $(TEST_CFLAGS)
%C%_spec_test_LDADD = libengine.la libbase.la $(TEST_LIBS)
%C%_engine_test_SOURCES = %D%/engine_test.c tests/engine_bed.c tests/engine_bed.h
%C%_engine_test_CFLAGS = $(TEST_CFLAGS)
%C%_engine_test_LDADD = libengine.la libmodel.la libtoy.la libbase.la $(TEST_LIBS)
%C%_engine_flight_test_SOURCES = %D%/engine_flight_test.c tests/engine_bed.c tests/engine_bed.h
%C%_engine_flight_test_CFLAGS = $(TEST_CFLAGS)
%C%_engine_flight_test_LDADD = libengine.la libmodel.la libtoy.la libbase.la $(TEST_LIBS)
%C%_engine_draft_test_SOURCES = %D%/engine_draft_test.c tests/engine_bed.c tests/engine_bed.h
%C%_engine_draft_test_CFLAGS = $(TEST_CFLAGS)
%C%_engine_draft_test_LDADD = libengine.la libmodel.la libtoy.la libbase.la $(TEST_LIBS)
%C%_tier_test_SOURCES = %D%/tier_test.c tests/engine_bed.c tests/engine_bed.h
%C%_tier_test_CFLAGS = $(TEST_CFLAGS)
%C%_tier_test_LDADD = libengine.la libmodel.la libtoy.la libbase.la $(TEST_LIBS)
%C%_kvfile_test_SOURCES = %D%/kvfile_test.c tests/engine_bed.c tests/engine_bed.h
%C%_kvfile_test_CFLAGS = $(TEST_CFLAGS)
%C%_kvfile_test_LDADD = libengine.la libmodel.la libtoy.la libbase.la $(TEST_LIBS)
%C%_loop_test_SOURCES = %D%/loop_test.c
%C%_loop_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS)
%C%_loop_test_CFLAGS = $(TEST_CFLAGS)
%C%_loop_test_LDADD = libengine.la libplugin.la libmodel.la libfront.la libbase.la $(TEST_LIBS)
%C%_boot_test_SOURCES = %D%/boot_test.c
%C%_boot_test_CPPFLAGS = $(TEST_PLUGIN_CPPFLAGS) $(GOLDEN_CPPFLAGS)
%C%_boot_test_CFLAGS = $(TEST_CFLAGS)
%C%_boot_test_LDADD = libengine.la libplugin.la libmodel.la libconf.la libtoy.la libbase.la $(TEST_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += %D%/eval_test
TESTS += %D%/eval_test
%C%_eval_test_SOURCES = %D%/eval_test.c
%C%_eval_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_eval_test_CFLAGS = $(TEST_CFLAGS)
%C%_eval_test_LDADD = libengine.la $(REFEXEC_LIBS)
endif

if HAVE_CHECK
check_PROGRAMS += %D%/lora_test
TESTS += %D%/lora_test
%C%_lora_test_SOURCES = %D%/lora_test.c
%C%_lora_test_CPPFLAGS = $(GOLDEN_CPPFLAGS)
%C%_lora_test_CFLAGS = $(TEST_CFLAGS)
%C%_lora_test_LDADD = libengine.la $(REFEXEC_LIBS)
endif
