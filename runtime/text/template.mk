# SPDX-License-Identifier: Apache-2.0
libtext_la_SOURCES += %D%/chat_template.c %D%/chat_template.h \
	%D%/jinja/jast.h %D%/jinja/jlex.c %D%/jinja/jparse.c %D%/jinja/jexpr.c %D%/jinja/joper.c %D%/jinja/jscope.c \
	%D%/jinja/jval.h %D%/jinja/jval.c %D%/jinja/jdict.c %D%/jinja/jiter.c \
	%D%/jinja/jstr.h %D%/jinja/jstr.c %D%/jinja/jcase.c \
	%D%/jinja/jeval.h %D%/jinja/jeval.c %D%/jinja/jexec.c %D%/jinja/jloop.c %D%/jinja/jcall.c %D%/jinja/jattr.c \
	%D%/jinja/jnum.c %D%/jinja/jsort.c %D%/jinja/jrepr.c %D%/jinja/jpretty.c %D%/jinja/jjson.c \
	%D%/jinja/jformat.c %D%/jinja/jspec.c %D%/jinja/jglobal.c %D%/jinja/jtest.c \
	%D%/jinja/jmethod.c %D%/jinja/jmethod_str.c \
	%D%/jinja/jfilter.h %D%/jinja/jfilter.c %D%/jinja/jfilter_seq.c %D%/jinja/jfilter_gen.c %D%/jinja/jfilter_str.c \
	%D%/jinja/jfilter_html.c %D%/jinja/jwrap.c
