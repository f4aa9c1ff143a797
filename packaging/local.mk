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
EXTRA_DIST += %D%/systemd/llmserved.service.in %D%/grafana/make.py %D%/docker %D%/haproxy/haproxy.cfg %D%/kubernetes/llmserve.yaml %D%/kubernetes/prometheus-adapter.yaml %D%/kubernetes/mpijob.yaml %D%/rpm %D%/sbom debian tests/packages

# What these programs are made of, as SPDX 2.3.
llmserve.spdx.json: $(bin_PROGRAMS) $(pkglibexec_PROGRAMS) $(backends_LTLIBRARIES) $(pkglib_LTLIBRARIES)
	$(AM_V_GEN)$(srcdir)/%D%/sbom $(PACKAGE_VERSION) `for p in $(bin_PROGRAMS) $(pkglibexec_PROGRAMS); do test -f .libs/$$p && echo .libs/$$p || echo $$p; done` \
		`echo $(backends_LTLIBRARIES) $(pkglib_LTLIBRARIES) | sed 's,\([a-z.]*\)\.la,.libs/\1.so,g'` > $@.tmp && mv $@.tmp $@
sbom: llmserve.spdx.json
CLEANFILES += llmserve.spdx.json

# Build the packages, check them, try them in fresh roots: as root, with network. LLMSERVE_ROOT_CACHE keeps the fresh root.
package-check:
	$(srcdir)/tests/packages/check packages
# Twice bit for bit the same.
reproducible-check:
	$(srcdir)/tests/packages/check reproducible
# The Dockerfile's steps in fresh roots.
image-check:
	$(srcdir)/tests/packages/image_test
.PHONY: sbom package-check reproducible-check image-check
unit = $(AM_V_GEN)$(MKDIR_P) %D%/systemd && sed -e 's,@bindir[@],$(bindir),' -e 's,@sysconfdir[@],$(sysconfdir),'
%D%/systemd/llmserved.service: %D%/systemd/llmserved.service.in Makefile
	$(unit) -e 's,@config[@],llmserve,' -e 's,@of_instance[@],,' $(srcdir)/%D%/systemd/llmserved.service.in > $@
%D%/systemd/llmserved@.service: %D%/systemd/llmserved.service.in Makefile
	$(unit) -e 's,@config[@],%i,' -e 's,@of_instance[@], (%i),' $(srcdir)/%D%/systemd/llmserved.service.in > '$@'

dist_check_SCRIPTS += tests/packages/agree_test %D%/unit_test %D%/hardening_test %D%/sbom_test %D%/grafana/dashboard_test %D%/haproxy/haproxy_test %D%/kubernetes/kubernetes_test %D%/kubernetes/mpijob_test
TESTS += tests/packages/agree_test %D%/unit_test %D%/hardening_test %D%/sbom_test %D%/grafana/dashboard_test %D%/haproxy/haproxy_test %D%/kubernetes/kubernetes_test %D%/kubernetes/mpijob_test
