/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/amx_emulator.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { N_TILE = 8, ROWS = 16, ROW_BYTES = 64 };

static struct {
    uint8_t data[N_TILE][ROWS][ROW_BYTES];
    struct { uint8_t palette, start_row, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } config;
    unsigned long n;
} amx;

/* A decoded instruction of the map 0F38: its opcode, prefix (0 none, 1 66, 2 F3, 3 F2) and operands. */
struct instruction {
    uint8_t opcode, prefix, mod, reg, rm, vvvv;
    uint8_t *address; /* of its memory, without the index where it is a tile's: `stride` */
    int64_t stride;
    size_t size;
};

static int64_t reg_of(const ucontext_t *u, int r)
{
    static const int at[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10,
                               REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return u->uc_mcontext.gregs[at[r]];
}

static int64_t displacement(const uint8_t *p, int bytes)
{
    int32_t d = 0;
    memcpy(&d, p, (size_t)bytes);
    return bytes == 1 ? (int8_t)d : d;
}

/* ModRM at p, with the extensions x and b (0 or 8) of index and base. */
static void take_memory(const ucontext_t *u, const uint8_t *p, int x, int b, struct instruction *i)
{
    const uint8_t *start = p++;
    int bytes = i->mod == 1 ? 1 : i->mod == 2 ? 4 : 0, base = i->rm | b;
    int64_t at = 0;
    if (i->rm == 4) {
        int index = (*p >> 3 & 7) | x;
        base = (*p & 7) | b;
        i->stride = index == 4 ? 0 : reg_of(u, index) * (1 << (*p >> 6));
        bytes = (*p++ & 7) == 5 && i->mod == 0 ? 4 : bytes;
    } else if (i->rm == 5 && i->mod == 0) {
        bytes = 4;
    }
    if (i->mod == 0 && bytes == 4)
        at = i->rm == 5 ? u->uc_mcontext.gregs[REG_RIP] + 4 + (p + 4 - start) : 0;
    else
        at = reg_of(u, base);
    i->address = (uint8_t *)(uintptr_t)(at + displacement(p, bytes));
    i->size += (size_t)(p + bytes - start) - 1;
}

static bool decode(const ucontext_t *u, struct instruction *i)
{
    const uint8_t *p = (const uint8_t *)u->uc_mcontext.gregs[REG_RIP];
    if (p[0] != 0xc4 || (p[1] & 31) != 2) /* VEX of three bytes, map 0F38 */
        return false;
    *i = (struct instruction){.opcode = p[3], .prefix = p[2] & 3, .vvvv = ~(p[2] >> 3) & 15, .mod = p[4] >> 6, .reg = p[4] >> 3 & 7,
                              .rm = p[4] & 7, .size = 5};
    if (i->mod != 3)
        take_memory(u, p + 4, p[1] & 0x40 ? 0 : 8, p[1] & 0x20 ? 0 : 8, i);
    return true;
}

static int32_t value(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

/* tmm reg += tmm rm * tmm vvvv; quads of each. */
static void multiply(const struct instruction *i)
{
    const bool a_signed = i->prefix >= 2, b_signed = i->prefix == 3 || i->prefix == 1; /* bssd F2, bsud F3, busd 66, buud none */
    for (int m = 0; m < amx.config.rows[i->reg]; m++)
        for (int n = 0; n < amx.config.row_bytes[i->reg] / 4; n++) {
            int32_t sum;
            memcpy(&sum, &amx.data[i->reg][m][4 * n], sizeof sum);
            for (int k = 0; k < amx.config.row_bytes[i->rm]; k++)
                sum += value(amx.data[i->rm][m][k], a_signed) * value(amx.data[i->vvvv][k / 4][4 * n + k % 4], b_signed);
            memcpy(&amx.data[i->reg][m][4 * n], &sum, sizeof sum);
        }
}

static void move(const struct instruction *i, bool load)
{
    for (int r = 0; r < amx.config.rows[i->reg]; r++) {
        uint8_t *memory = i->address + r * i->stride;
        memcpy(load ? amx.data[i->reg][r] : memory, load ? memory : amx.data[i->reg][r], amx.config.row_bytes[i->reg]);
    }
}

static bool execute(const struct instruction *i)
{
    if (i->opcode == 0x5e && i->mod == 3)
        multiply(i);
    else if (i->opcode == 0x4b && i->mod != 3 && i->rm == 4 && (i->prefix == 3 || i->prefix == 2))
        move(i, i->prefix == 3);
    else if (i->opcode == 0x49 && i->prefix == 3 && i->mod == 3)
        memset(amx.data[i->reg], 0, sizeof amx.data[0]);
    else if (i->opcode == 0x49 && i->prefix == 0 && i->mod == 3)
        memset(&amx.config, 0, sizeof amx.config);
    else if (i->opcode == 0x49 && i->prefix == 0)
        memcpy(&amx.config, i->address + i->stride, sizeof amx.config);
    else
        return false;
    if (i->opcode == 0x49 && i->mod != 3)
        memset(amx.data, 0, sizeof amx.data);
    return true;
}

static void on_illegal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    struct instruction i;
    if (!decode(u, &i) || !execute(&i)) {
        signal(sig, SIG_DFL); /* it is raised again */
        return;
    }
    amx.n++;
    u->uc_mcontext.gregs[REG_RIP] += (greg_t)i.size;
}

void amx_emulator_begin(void)
{
    struct sigaction act = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    sigemptyset(&act.sa_mask);
    sigaction(SIGILL, &act, NULL);
}

unsigned long amx_emulator_count(void)
{
    return amx.n;
}
