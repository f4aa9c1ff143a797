/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_TESTS_AMX_EMULATOR_H
#define LM_TESTS_AMX_EMULATOR_H
/**
 * AMX-INT8 on an x86-64 machine that has not got it: each tile instruction raises SIGILL, whose handler does what it says.
 *
 * Known: ldtilecfg, tilerelease, tilezero, tileloadd, tilestored and the four products tdpb[su][su]d. Anything else is the illegal
 * instruction that it is. One set of tiles: for one thread.
 *
 * Source   Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VEX-encoded tile instructions
 */
void amx_emulator_begin(void);

/** Instructions that were emulated. */
unsigned long amx_emulator_count(void);
#endif
