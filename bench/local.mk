# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += %D%/kl %D%/compare %D%/payload-1024.lua
