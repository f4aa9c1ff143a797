/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/mat_kern.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE = 2u << 20 };

static const size_t piece_bytes = 64u << 20; /* of address space: pages are taken as they are written */

struct cpu_mat_piece {
    uint8_t *map, *next, *end;
    size_t bytes, n_mat;
};

static struct cpu_mat_piece *piece_create(size_t n, bool huge_pages)
{
    struct cpu_mat_piece *p = malloc(sizeof *p);
    n = n < piece_bytes ? piece_bytes : n;
    if (!p || n > SIZE_MAX / 2)
        goto fail;
    void *map = mmap(NULL, n + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        goto fail;
    uint8_t *first = (uint8_t *)(((uintptr_t)map + HUGE - 1) / HUGE * HUGE);
    *p = (struct cpu_mat_piece){map, first, first + n, n + HUGE, 0};
    if (huge_pages)
        madvise(first, n, MADV_HUGEPAGE);
    return p;
fail:
    free(p);
    return NULL;
}

static void piece_destroy(struct cpu_mat_piece *p)
{
    munmap(p->map, p->bytes);
    free(p);
}

int cpu_mat_heap_take(struct cpu_mat *m, size_t n)
{
    struct cpu_mat_piece *p = m->heap->piece;
    n = (n > SIZE_MAX - 63 ? SIZE_MAX : n + 63) / 64 * 64;
    if (!p || (size_t)(p->end - p->next) < n) {
        p = piece_create(n, m->heap->huge_pages);
        if (!p)
            return -1;
        m->heap->piece = p;
    }
    m->data = p->next;
    m->piece = p;
    p->next += n;
    p->n_mat++;
    return 0;
}

void cpu_mat_heap_give(struct cpu_mat *m)
{
    if (!m->piece || --m->piece->n_mat)
        return;
    if (m->heap->piece == m->piece)
        m->heap->piece = NULL;
    piece_destroy(m->piece);
}
