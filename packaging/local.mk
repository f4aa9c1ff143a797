# SPDX-License-Identifier: Apache-2.0
# What a distribution, a service manager or a container needs beside the programs.

# Units of systemd: one server, or one for each NAME.ini; a socket that outlives restarts.
units = %D%/systemd/llmserved.service %D%/systemd/llmserved@.service
nodist_systemdsystemunit_DATA = $(units)
dist_systemdsystemunit_DATA = %D%/systemd/llmserved.socket
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = %D%/systemd/llmserve-sysusers.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
dist_tmpfiles_DATA = %D%/systemd/llmserve-tmpfiles.conf
dist_example_DATA += %D%/systemd/cpu-only.conf %D%/grafana/llmserve.json
CLEANFILES += $(units)
EXTRA_DIST += %D%/systemd/llmserved.service.in %D%/grafana/make.py %D%/docker debian
unit = $(AM_V_GEN)$(MKDIR_P) %D%/systemd && sed -e 's,@bindir[@],$(bindir),' -e 's,@sysconfdir[@],$(sysconfdir),'
%D%/systemd/llmserved.service: %D%/systemd/llmserved.service.in Makefile
	$(unit) -e 's,@config[@],llmserve,' -e 's,@of_instance[@],,' $(srcdir)/%D%/systemd/llmserved.service.in > $@
%D%/systemd/llmserved@.service: %D%/systemd/llmserved.service.in Makefile
	$(unit) -e 's,@config[@],%i,' -e 's,@of_instance[@], (%i),' $(srcdir)/%D%/systemd/llmserved.service.in > '$@'

dist_check_SCRIPTS += %D%/unit_test %D%/hardening_test %D%/grafana/dashboard_test
TESTS += %D%/unit_test %D%/hardening_test %D%/grafana/dashboard_test
