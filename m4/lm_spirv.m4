# SPDX-License-Identifier: Apache-2.0
# LM_FIND_SPIRV(if found, if not): set SPIRV_CLANG and LLVM_SPIRV to a pair of one version that compiles a kernel.
AC_DEFUN([LM_FIND_SPIRV], [
AC_CACHE_CHECK([for clang and llvm-spirv], [lm_cv_spirv], [
  lm_cv_spirv=no
  lm_spirv_dir=conftest.spirv
  mkdir -p $lm_spirv_dir
  echo '__kernel void k(__global half *x) { size_t i = get_global_id(0); vstore_half(tanh(vload_half(i, x)), i, x); }' >$lm_spirv_dir/k.cl
  for lm_v in given '' -21 -20 -19 -18 -17 -16 -15 -14; do
    AS_IF([test "$lm_v" = given], [lm_clang=$SPIRV_CLANG lm_spirv=$LLVM_SPIRV], [lm_clang=clang$lm_v lm_spirv=llvm-spirv$lm_v])
    AS_IF([test -n "$lm_clang" && test -n "$lm_spirv" &&
      $lm_clang -target spir64 -cl-std=CL1.2 -O2 -Xclang -finclude-default-header -emit-llvm -c $lm_spirv_dir/k.cl -o $lm_spirv_dir/k.bc 2>&AS_MESSAGE_LOG_FD &&
      $lm_spirv --spirv-max-version=1.1 $lm_spirv_dir/k.bc -o $lm_spirv_dir/k.spv 2>&AS_MESSAGE_LOG_FD], [lm_cv_spirv="$lm_clang $lm_spirv"; break])
  done
  rm -rf $lm_spirv_dir])
AS_IF([test "$lm_cv_spirv" = no], [$2], [SPIRV_CLANG=${lm_cv_spirv% *} LLVM_SPIRV=${lm_cv_spirv#* }
  $1])
])
