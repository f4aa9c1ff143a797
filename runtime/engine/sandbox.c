/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/sandbox.h"
#include "config.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

enum { X32_BIT = 0x40000000 }; /* x86-64's second set of numbers */

static const int starts_program[] = {SYS_execve, SYS_execveat};

static const int shares[] = {SYS_process_vm_readv, SYS_process_vm_writev};

static const int refused[] = {
    /* other processes */
    SYS_pidfd_getfd, SYS_perf_event_open,
#ifndef LM_ASAN
    SYS_ptrace, /* its search for leaks stops the threads by it */
#endif
    /* sockets by another way, and what the kernel runs */
    SYS_io_uring_setup, SYS_bpf, SYS_userfaultfd, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
    /* file systems and name spaces */
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
    SYS_open_by_handle_at, SYS_unshare, SYS_setns, SYS_quotactl, SYS_swapon, SYS_swapoff,
    /* keys, clocks and the machine */
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname,
    SYS_setdomainname, SYS_reboot, SYS_syslog, SYS_acct,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
};

struct program {
    struct sock_filter *out;
    size_t n;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
    p->out[p->n++] = (struct sock_filter){code, if_true, if_false, k};
}

static void load(struct program *p, size_t offset)
{
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void refuse(struct program *p)
{
    put(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static void refuse_all(struct program *p, const int *number, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number[i], 0, 1);
        refuse(p);
    }
}

/* Local sockets, and those that ask the kernel for the devices there are. */
static void refuse_sockets(struct program *p)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4);
    load(p, offsetof(struct seccomp_data, args)); /* an int: the low half, first on these machines */
    put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 2, 0);
    put(p, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0);
    refuse(p);
}

size_t lm_sandbox_filter(unsigned allowed, struct sock_filter *out)
{
    struct program p = {.out = out};
    if (!ARCH)
        return 0;
    load(&p, offsetof(struct seccomp_data, arch));
    put(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    refuse(&p);
    load(&p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    refuse(&p);
#endif
    refuse_all(&p, refused, sizeof refused / sizeof *refused);
    if (!(allowed & LM_SANDBOX_EXEC))
        refuse_all(&p, starts_program, sizeof starts_program / sizeof *starts_program);
    if (!(allowed & LM_SANDBOX_SHARE)) {
        refuse_all(&p, shares, sizeof shares / sizeof *shares);
        refuse_sockets(&p);
    }
    put(&p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    return p.n;
}

void lm_sandbox_begin(unsigned allowed)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (!(allowed & LM_SANDBOX_SHARE)) /* it would keep processes of the same user from this one's memory */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int lm_sandbox_enter(unsigned allowed, struct lm_err *err)
{
    struct sock_filter code[LM_SANDBOX_MAX];
    const struct sock_fprog program = {.len = (unsigned short)lm_sandbox_filter(allowed, code), .filter = code};
    if (!program.len)
        return lm_fail(err, LM_EUNSUPPORTED, "no filter of system calls for this machine");
    long rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (rc == 0)
        rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    if (rc == 0)
        return 0;
    return lm_fail(err, LM_EUNSUPPORTED, "the kernel takes no filter of system calls: %s", rc > 0 ? "a thread has one of its own" : strerror(errno));
}
