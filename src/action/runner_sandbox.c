/* runner_sandbox.c -- Landlock rulesets and one seccomp program, by system calls: the numbers of
 * newer kernels stand here, so that headers need not know them. Fails closed: without a wall that
 * was asked for there is no command. */
#include "action/runner_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

/* Rights of Landlock, by bit. */
#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_TRUNCATE (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_READ (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS 3ull

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct __attribute__((packed)) beneath_attr {
    uint64_t rights;
    int32_t parent;
};

static int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

static uint64_t all_rights(int version)
{
    static const unsigned bits[] = {0, 13, 14, 15, 15, 16};
    size_t last = sizeof(bits) / sizeof(bits[0]) - 1;
    return (1ull << bits[(size_t)version < last ? (size_t)version : last]) - 1;
}

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#else
#define NATIVE_ARCH 0u /* no filter is written for it */
#endif

const char *sandbox_missing(void)
{
    if (landlock_version() < 1)
        return "this kernel has no Landlock (Linux 5.13 and CONFIG_SECURITY_LANDLOCK, with "
               "landlock among the lsm= of the boot)";
    if (NATIVE_ARCH == 0u || prctl(PR_GET_SECCOMP) < 0)
        return "this kernel or processor has no seccomp filter that Gaff knows";
    return NULL;
}

/* --- what may be opened --------------------------------------------------------------------- */

/* False when the rule was refused; a path that is not there needs none. */
static bool allow(int ruleset, const char *path, uint64_t rights, int version)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
    bool ok = fstat(fd, &st) == 0;
    if (ok && !S_ISDIR(st.st_mode))
        rights &= FS_OF_FILES;
    struct beneath_attr rule = {rights & all_rights(version), fd};
    ok = ok && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
    (void)close(fd);
    return ok;
}

static bool allow_list(int ruleset, const char *const *paths, uint64_t rights, int version)
{
    bool ok = true;
    for (size_t i = 0; paths && paths[i]; i++)
        ok = allow(ruleset, paths[i], rights, version) && ok;
    return ok;
}

bool sandbox_prepare(struct sandbox *s, const struct sandbox_rules *rules, const char *program,
                     const char *cwd, char error[SANDBOX_ERROR_MAX])
{
    static const char *const system_paths[] = {
        "/usr",   "/bin", "/sbin", "/lib", "/lib32",
        "/lib64", "/etc", "/proc", "/opt", "/run/systemd/resolve",
        NULL};
    static const char *const devices[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                          "/dev/urandom", "/dev/tty",  NULL};
    const char *const own[] = {program, cwd, NULL};
    *s = (struct sandbox){.ruleset = -1, .network = rules->network};
    const char *missing = sandbox_missing();
    if (missing) {
        (void)snprintf(error, SANDBOX_ERROR_MAX, "sandbox: %s; the command was not run", missing);
        return false;
    }
    int version = landlock_version();
    struct ruleset_attr attr = {.fs = all_rights(version)};
    if (version >= 6)
        attr.scoped = SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS;
    size_t size = version >= 6 ? sizeof(attr) : offsetof(struct ruleset_attr, net);
    s->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    bool ok = s->ruleset >= 0 && allow_list(s->ruleset, system_paths, FS_READ, version) &&
              allow_list(s->ruleset, devices, FS_OF_FILES, version) &&
              allow_list(s->ruleset, own, FS_READ, version) &&
              allow_list(s->ruleset, rules->read, FS_READ, version) &&
              allow_list(s->ruleset, rules->write, ~0ull, version);
    if (ok)
        return true;
    (void)snprintf(error, SANDBOX_ERROR_MAX, "sandbox: Landlock refused its rules: %s",
                   strerror(errno));
    sandbox_release(s);
    return false;
}

void sandbox_release(struct sandbox *s)
{
    if (s->ruleset >= 0)
        (void)close(s->ruleset);
    s->ruleset = -1;
}

/* --- what may be asked ---------------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define DENY RETURN(SECCOMP_RET_ERRNO | EPERM)
/* The next instruction is for this call alone. */
#define ON(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1)
#define REFUSE(call) ON(call), DENY

#define NAMESPACES                                                                                 \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |     \
     CLONE_NEWCGROUP)

/* Ways out of the walls, and parts of the kernel that no build or notification needs. */
static const struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#ifdef __x86_64__
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1), /* the x32 calls */
    DENY,
#endif
    REFUSE(ptrace),
    REFUSE(process_vm_readv),
    REFUSE(process_vm_writev),
    REFUSE(kcmp),
    REFUSE(mount),
    REFUSE(umount2),
    REFUSE(pivot_root),
    REFUSE(chroot),
    REFUSE(setns),
    REFUSE(unshare),
    REFUSE(keyctl),
    REFUSE(add_key),
    REFUSE(request_key),
    REFUSE(bpf),
    REFUSE(perf_event_open),
    REFUSE(userfaultfd),
    REFUSE(kexec_load),
    REFUSE(init_module),
    REFUSE(finit_module),
    REFUSE(delete_module),
    REFUSE(open_by_handle_at),
    REFUSE(reboot),
    REFUSE(swapon),
    REFUSE(swapoff),
    REFUSE(acct),
    REFUSE(syslog),
    REFUSE(settimeofday),
    REFUSE(clock_settime),
    REFUSE(io_uring_setup),
    /* Its flags lie in memory, where no filter sees them; libraries then use clone. */
    ON(clone3),
    RETURN(SECCOMP_RET_ERRNO | ENOSYS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    LOAD(args[0]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1),
    DENY,
    RETURN(SECCOMP_RET_ALLOW),
};

static const struct sock_filter no_network[] = {
    LOAD(nr),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
    LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
    DENY,          RETURN(SECCOMP_RET_ALLOW),
};

static bool add_filter(const struct sock_filter *code, size_t count)
{
    struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)(uintptr_t)code};
    return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

bool sandbox_enter(const struct sandbox *s)
{
    if (syscall(SYS_landlock_restrict_self, s->ruleset, 0) != 0)
        return false;
    if (!s->network && !add_filter(no_network, sizeof(no_network) / sizeof(no_network[0])))
        return false;
    return add_filter(filter, sizeof(filter) / sizeof(filter[0]));
}
