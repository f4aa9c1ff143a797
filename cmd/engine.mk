# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += llmserve-engine
llmserve_engine_SOURCES = %D%/llmserve-engine.c
llmserve_engine_LDADD = libengine.la libplugin.la libmodel.la libconf.la libbase.la
