/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_X_H
#define CPU_X_H
/**
 * The Q8 form of an activation: int8 with one f32 scale for each row and 32 columns.
 *
 *   scale = max |x| / 127, q = round(x * (127 / max |x|)); below CPU_X_TINY both are 0; NaN and infinity make the scale so
 *
 * Rows stand in tiles of CPU_X_TILE, the last one as small as it needs to be. A tile of T rows is, for each
 * block of 32 columns,
 *
 *   int8  q[T][32]
 *   f32   scale[T]
 *   f32   scale_sum[T]  scale * (q[0] + .. + q[31])
 *   i32   minus_lo[T]   -(q[0] + .. + q[15])
 *   i32   minus_sum[T]  -(q[0] + .. + q[31])
 */
#define CPU_X_TILE 6u
#define CPU_X_BLOCK_BYTES 48u /* of one row */
#define CPU_X_TINY 0x1p-100f
#endif
