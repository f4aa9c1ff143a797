# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libconf.la
libconf_la_SOURCES = %D%/conf.c %D%/conf.h %D%/section.h %D%/knob.c %D%/knob.h %D%/knobs.def %D%/ini.c %D%/flags.c %D%/foreign.def %D%/foreign.c %D%/foreign.h %D%/text.c \
	%D%/differ.c %D%/differ.h %D%/lora.c %D%/lora.h %D%/replicas.c %D%/replicas.h %D%/nodes.c %D%/nodes.h %D%/speculative.c %D%/speculative.h
libconf_la_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS)
libconf_la_LIBADD = libbase.la $(INIH_LIBS)

noinst_PROGRAMS += %D%/generate
%C%_generate_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS)
%C%_generate_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
%C%_generate_SOURCES = %D%/generate.c
%C%_generate_LDADD = libconf.la

# After a change of knobs.def or of a subcommand's rows: write the files that are made from it anew.
update-generated: %D%/generate llmserve$(EXEEXT)
	$(AM_V_GEN)%D%/generate ini > $(srcdir)/conf/llmserve.ini && %D%/generate man > $(srcdir)/man/llmserve.ini.5 && \
		./llmserve completion man > $(srcdir)/man/llmserve.1 && \
		%D%/generate flags > flags.tmp && sed -i -e '/^.\\" BEGIN flags/,/^.\\" END flags/{/BEGIN flags/!{/END flags/!d}}' \
			-e '/^.\\" BEGIN flags/r flags.tmp' $(srcdir)/man/llmserved.8 && rm flags.tmp
.PHONY: update-generated

exampledir = $(docdir)
dist_example_DATA = %D%/llmserve.ini

if HAVE_CHECK
check_PROGRAMS += %D%/conf_test %D%/differ_test %D%/foreign_test %D%/lora_test %D%/nodes_test %D%/speculative_test
TESTS += %D%/conf_test %D%/differ_test %D%/foreign_test %D%/lora_test %D%/nodes_test %D%/speculative_test
%C%_nodes_test_SOURCES = %D%/nodes_test.c
%C%_nodes_test_CFLAGS = $(TEST_CFLAGS)
%C%_nodes_test_LDADD = libconf.la $(TEST_LIBS)
%C%_conf_test_SOURCES = %D%/conf_test.c
%C%_conf_test_CFLAGS = $(TEST_CFLAGS)
%C%_conf_test_LDADD = libconf.la $(TEST_LIBS)
%C%_differ_test_SOURCES = %D%/differ_test.c
%C%_differ_test_CFLAGS = $(TEST_CFLAGS)
%C%_differ_test_LDADD = libconf.la $(TEST_LIBS)
%C%_foreign_test_SOURCES = %D%/foreign_test.c
%C%_foreign_test_CFLAGS = $(TEST_CFLAGS)
%C%_foreign_test_LDADD = libconf.la $(TEST_LIBS)
%C%_lora_test_SOURCES = %D%/lora_test.c
%C%_lora_test_CFLAGS = $(TEST_CFLAGS)
%C%_lora_test_LDADD = libconf.la $(TEST_LIBS)
%C%_speculative_test_SOURCES = %D%/speculative_test.c
%C%_speculative_test_CFLAGS = $(TEST_CFLAGS)
%C%_speculative_test_LDADD = libconf.la $(TEST_LIBS)
endif
