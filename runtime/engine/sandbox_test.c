/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/engine/sandbox.h"
#include "config.h"
#include "tests/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
#else
#define ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
#endif

/* What the kernel would say: an interpreter of the four kinds of instruction that the filter has. */
static uint32_t verdict_of(unsigned allowed, uint32_t arch, int nr, uint64_t arg)
{
    struct sock_filter code[LM_SANDBOX_MAX];
    const struct seccomp_data data = {.nr = nr, .arch = arch, .args = {arg}};
    size_t n = lm_sandbox_filter(allowed, code);
    uint32_t a = 0;
    ck_assert(n > 10 && n <= LM_SANDBOX_MAX);
    for (size_t pc = 0; pc < n; pc++) {
        const struct sock_filter *i = &code[pc];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            ck_assert(i->k % 4 == 0 && i->k + 4 <= sizeof data);
            memcpy(&a, (const char *)&data + i->k, sizeof a);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            ck_abort_msg("instruction %zu has code %u", pc, i->code);
        }
    }
    ck_abort_msg("the filter has no end");
    return 0;
}

static bool refuses(unsigned allowed, int nr, uint64_t arg)
{
    uint32_t verdict = verdict_of(allowed, ARCH, nr, arg);
    ck_assert(verdict == SECCOMP_RET_ALLOW || verdict == (SECCOMP_RET_ERRNO | EPERM));
    return verdict != SECCOMP_RET_ALLOW;
}

START_TEST(test_engine_sandbox__the_filter_refuses_what_an_intruder_wants)
{
    static const int never[] = {
        SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_perf_event_open, SYS_io_uring_setup, SYS_bpf, SYS_userfaultfd,
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
        SYS_open_by_handle_at, SYS_unshare, SYS_setns, SYS_swapon, SYS_keyctl, SYS_add_key, SYS_clock_settime, SYS_settimeofday,
        SYS_sethostname, SYS_reboot, SYS_execve, SYS_execveat,
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        ck_assert_msg(refuses(0, never[i], 0), "call %d is allowed", never[i]);
#ifndef LM_ASAN
    ck_assert(refuses(0, SYS_ptrace, 0));
#endif
    for (uint64_t family = 0; family < 64; family++) {
        ck_assert_int_eq(refuses(0, SYS_socket, family), family != AF_UNIX && family != AF_NETLINK);
        ck_assert(!refuses(0, SYS_socketpair, family));
    }
}
END_TEST

START_TEST(test_engine_sandbox__the_filter_allows_what_an_engine_and_its_driver_do)
{
    static const int ever[] = {
        SYS_read, SYS_write, SYS_openat, SYS_close, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_ioctl, SYS_futex, SYS_clone, SYS_clone3,
        SYS_ppoll, SYS_recvfrom, SYS_sendto, SYS_connect, SYS_exit_group, SYS_tgkill, SYS_rt_sigaction, SYS_sched_setaffinity, SYS_prctl,
        SYS_getrandom, SYS_memfd_create, SYS_wait4, SYS_setitimer, SYS_fstat, SYS_getdents64, SYS_mbind, SYS_set_mempolicy, SYS_pipe2,
    };
    for (size_t i = 0; i < sizeof ever / sizeof *ever; i++)
        ck_assert_msg(!refuses(0, ever[i], 0), "call %d is refused", ever[i]);
    ck_assert(!refuses(LM_SANDBOX_EXEC, SYS_execve, 0) && !refuses(LM_SANDBOX_EXEC, SYS_execveat, 0));
    ck_assert(!refuses(LM_SANDBOX_SHARE, SYS_socket, AF_INET) && !refuses(LM_SANDBOX_SHARE, SYS_process_vm_readv, 0));
    ck_assert(refuses(LM_SANDBOX_SHARE, SYS_execve, 0) && refuses(LM_SANDBOX_SHARE, SYS_mount, 0));
    ck_assert(refuses(LM_SANDBOX_EXEC, SYS_bpf, 0) && refuses(LM_SANDBOX_EXEC, SYS_socket, AF_INET));
}
END_TEST

START_TEST(test_engine_sandbox__another_set_of_call_numbers_leads_round_nothing)
{
    for (int nr = 0; nr < 512; nr++)
        ck_assert_uint_eq(verdict_of(0, OTHER_ARCH, nr, AF_UNIX), SECCOMP_RET_ERRNO | EPERM);
#ifdef __x86_64__
    for (int nr = 0; nr < 600; nr++)
        ck_assert(refuses(0, nr | 0x40000000, AF_UNIX));
#endif
}
END_TEST

static void *try_all(void *go)
{
    static char *const no_arg[] = {NULL};
    char c;
    intptr_t failed = read(*(int *)go, &c, 1) == 1 ? 0 : 1;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM || socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || errno != EPERM)
        failed |= 2;
    if (execve("/bin/true", no_arg, no_arg) == 0 || errno != EPERM)
        failed |= 4;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY);
    if (fd < 0 || file < 0)
        failed |= 8;
    return (void *)failed;
}

/* Exit status: 0 the filter is there, in a thread that began before it too; 77 this kernel has none. */
static int enter_and_try(void)
{
    int go[2];
    pthread_t t;
    void *failed = (void *)1;
    struct lm_err err;
    if (pipe(go) || pthread_create(&t, NULL, try_all, &go[0]))
        return 99;
    if (lm_sandbox_enter(0, &err) != 0)
        return strstr(err.msg, "the kernel takes no filter") ? 77 : 98;
    if (write(go[1], "", 1) != 1 || pthread_join(t, &failed))
        return 97;
    return (int)(intptr_t)failed;
}

START_TEST(test_engine_sandbox__the_kernel_does_so_in_every_thread)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(enter_and_try());
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        printf("this kernel takes no filters: only the filter's own program was tried\n");
    else
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(test_engine_sandbox__no_core_file_is_written)
{
    for (unsigned allowed = 0; allowed <= LM_SANDBOX_SHARE; allowed += LM_SANDBOX_SHARE) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
            lm_sandbox_begin(allowed);
            if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != (allowed != 0) || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
                _exit(1);
            signal(SIGABRT, SIG_DFL);
            abort();
        }
        ck_assert(waitpid(child, &status, 0) == child);
        ck_assert(WIFSIGNALED(status) && !WCOREDUMP(status));
    }
}
END_TEST

SUITE_MAIN("engine/sandbox", test_engine_sandbox__the_filter_refuses_what_an_intruder_wants,
           test_engine_sandbox__the_filter_allows_what_an_engine_and_its_driver_do,
           test_engine_sandbox__another_set_of_call_numbers_leads_round_nothing, test_engine_sandbox__the_kernel_does_so_in_every_thread,
           test_engine_sandbox__no_core_file_is_written)
