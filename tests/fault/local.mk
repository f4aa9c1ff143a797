# SPDX-License-Identifier: Apache-2.0
# The toy backend, a test as the front, the plugin `fault` around it, and plugins that must be refused. Not installed.
check_LTLIBRARIES += libtoy.la libfront.la
libtoy_la_SOURCES = tests/toy_backend.c tests/toy_backend.h
libfront_la_SOURCES = %D%/front.c %D%/front.h
libfront_la_CFLAGS = $(TEST_CFLAGS)
libfront_la_LIBADD = libtoy.la libprotocol.la libbase.la

test_plugins = %D%/fault.la %D%/old.la %D%/abi.la %D%/short.la %D%/huge.la %D%/nosymbol.la %D%/nocalls.la
check_LTLIBRARIES += $(test_plugins)
test_plugin_ldflags = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
TEST_PLUGIN_CPPFLAGS = $(AM_CPPFLAGS) -DTEST_PLUGIN_DIR='"$(abs_top_builddir)/%D%/.libs"'

%C%_fault_la_SOURCES = %D%/fault.c
%C%_fault_la_LDFLAGS = $(test_plugin_ldflags)
%C%_fault_la_LIBADD = libplugin.la libtoy.la libbase.la
%C%_old_la_SOURCES = %D%/old.c
%C%_old_la_LDFLAGS = $(test_plugin_ldflags)
%C%_old_la_LIBADD = libtoy.la
%C%_abi_la_SOURCES = %D%/bad.c
%C%_abi_la_CPPFLAGS = $(AM_CPPFLAGS) -DABI=999
%C%_abi_la_LDFLAGS = $(test_plugin_ldflags)
%C%_short_la_SOURCES = %D%/bad.c
%C%_short_la_CPPFLAGS = $(AM_CPPFLAGS) -DSIZE=24
%C%_short_la_LDFLAGS = $(test_plugin_ldflags)
%C%_huge_la_SOURCES = %D%/bad.c
%C%_huge_la_CPPFLAGS = $(AM_CPPFLAGS) -DSIZE=1048576
%C%_huge_la_LDFLAGS = $(test_plugin_ldflags)
%C%_nosymbol_la_SOURCES = %D%/bad.c
%C%_nosymbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DSYMBOL=lm_something_else
%C%_nosymbol_la_LDFLAGS = $(test_plugin_ldflags)
%C%_nocalls_la_SOURCES = %D%/bad.c
%C%_nocalls_la_LDFLAGS = $(test_plugin_ldflags)
