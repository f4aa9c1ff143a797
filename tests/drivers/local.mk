# SPDX-License-Identifier: Apache-2.0
# Drivers of devices for tests. Not installed.
if WITH_ZE_POCL
check_LTLIBRARIES += %D%/ze_pocl.la
%C%_ze_pocl_la_SOURCES = %D%/ze_pocl/driver.h %D%/ze_pocl/device.c %D%/ze_pocl/event.c %D%/ze_pocl/fault.c %D%/ze_pocl/fault.h \
	%D%/ze_pocl/list.c %D%/ze_pocl/memory.c %D%/ze_pocl/module.c %D%/ze_pocl/object.c %D%/ze_pocl/queue.c \
	%D%/ze_pocl/runtime.c %D%/ze_pocl/spirv.c %D%/ze_pocl/tables.c
%C%_ze_pocl_la_CFLAGS = $(AM_CFLAGS) $(OPENCL_CFLAGS) -DLLVM_SPIRV='"$(LLVM_SPIRV)"' -DXMX_SHIM='"$(abs_top_srcdir)/%D%/xmx_shim.cl"'
%C%_ze_pocl_la_LDFLAGS = $(test_plugin_ldflags)
%C%_ze_pocl_la_LIBADD = $(OPENCL_LIBS)
endif
