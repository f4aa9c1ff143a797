/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LM_ENGINE_KVFILE_H
#define LM_ENGINE_KVFILE_H
/**
 * A file of KV blocks by name (tier.h), which outlives the process: of fixed size, the oldest record is overwritten.
 *
 * A head says of which model, backend and layout its blocks are; a file with another head, or none, is begun anew, and what is in it
 * is not looked at. Each record has its name and a checksum over both; what does not agree is forgotten. Whoever may write to the
 * file may put false blocks into it: it is the user's own, mode 0600, and no link is followed.
 *
 * A thread of its own writes; where it falls behind, those that wait longest are not written: of a prompt that is given up its end,
 * since its beginning comes last. One process at a time has the file.
 *
 * Thread   [engine]
 */
#include <llmserve/err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_kvfile;

struct lm_kvfile_desc {
    const char *path;
    uint8_t model[32]; /* what keys and values depend on */
    uint32_t block_size;
    size_t block_bytes;
    uint64_t max_bytes; /* of the file */
};

struct lm_kvfile_stats {
    uint32_t n_record, n_used;
    uint64_t n_written, n_skipped; /* blocks; those that the thread had no room for, or the disk */
    uint64_t n_bad;                /* records that were damaged */
};

/**
 * Open the file, or make it.
 *
 * out_note  [160] "", or why a file that was there is begun anew
 * Owns      *out is the caller's until lm_kvfile_close(), which waits for what is being written
 * Errors    LM_ECONFIG max_bytes is less than a record; LM_EBUSY another process has it; LM_EIO; LM_ENOMEM
 */
int lm_kvfile_open(const struct lm_kvfile_desc *desc, struct lm_kvfile **out, char out_note[160], struct lm_err *err);
void lm_kvfile_close(struct lm_kvfile *f); /* takes NULL */

bool lm_kvfile_has(struct lm_kvfile *f, const uint8_t name[32]);
/** Fill dst[block_bytes]. False: it is not there, or is damaged and forgotten now. */
bool lm_kvfile_read(struct lm_kvfile *f, const uint8_t name[32], void *dst);
/** Have it written, some time, or not. Nothing of data is kept. */
void lm_kvfile_write(struct lm_kvfile *f, const uint8_t name[32], const void *data);
/** Forget a name; all. The file has nothing of them afterwards that is found again. */
void lm_kvfile_drop(struct lm_kvfile *f, const uint8_t name[32]);
void lm_kvfile_forget(struct lm_kvfile *f);
/** Wait until all that was to be written is (tests). */
void lm_kvfile_flush(struct lm_kvfile *f);

struct lm_kvfile_stats lm_kvfile_stats(struct lm_kvfile *f);
#endif
