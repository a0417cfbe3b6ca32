/* The outbound policy and the deadline against a name server that lies, changes its mind, or says
 * nothing. Runs in network and mount namespaces of its own, where public addresses can be ours;
 * where these cannot be made, the tests are skipped. */
#include "unit.h"

#include "rig.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define PUBLIC_IP "8.8.4.4" /* in this namespace on our own loopback interface */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f) {
        (void)fputs(text, f);
        (void)fclose(f);
    }
}

static bool bring_up(const char *name, const char *ip)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {0};
    memcpy(r.ifr_name, name, strlen(name));
    struct sockaddr_in sa = {.sin_family = AF_INET};
    bool ok = inet_pton(AF_INET, ip, &sa.sin_addr) == 1;
    memcpy(&r.ifr_addr, &sa, sizeof(sa));
    ok = ok && ioctl(fd, SIOCSIFADDR, &r) == 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0;
    r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    close(fd);
    return ok;
}

static bool enter_namespaces(void)
{
    bool is_root = geteuid() == 0;
    if (unshare(CLONE_NEWNET | CLONE_NEWNS | (is_root ? 0 : CLONE_NEWUSER)) != 0)
        return false;
    if (!is_root) {
        write_file("/proc/self/setgroups", "deny");
        char map[64];
        (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
        write_file("/proc/self/uid_map", map);
    }
    write_file("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
    write_file("nsswitch.conf", "hosts: dns\n");
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("resolv.conf", "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0 &&
           (mount("nsswitch.conf", "/etc/nsswitch.conf", NULL, MS_BIND, NULL) == 0 ||
            access("/etc/nsswitch.conf", F_OK) != 0) &&
           bring_up("lo", "127.0.0.1") && bring_up("lo:1", PUBLIC_IP);
}

/* What the name server says: for A the addresses of `v4`, for AAAA of `v6`. */
struct zone {
    const char *name;
    const char *v4[3];
    const char *v6[2];
    const char *v4_later; /* the only address from the second question on */
};

static const struct zone zones[] = {
    {.name = "public.test", .v4 = {PUBLIC_IP}},
    {.name = "inside.test", .v4 = {"127.0.0.1"}},
    {.name = "meta.test", .v4 = {"169.254.169.254"}},
    {.name = "mapped.test", .v6 = {"::ffff:169.254.169.254"}},
    {.name = "mapped-loop.test", .v6 = {"::ffff:127.0.0.1"}},
    {.name = "loop6.test", .v6 = {"::1"}},
    {.name = "nat64.test", .v6 = {"64:ff9b::7f00:1"}},
    {.name = "both.test", .v4 = {"127.0.0.1", "10.0.0.1"}, .v6 = {"::1", "fd00::1"}},
    {.name = "mixed.test", .v4 = {"127.0.0.1", PUBLIC_IP}},
    {.name = "rebind.test", .v4 = {PUBLIC_IP}, .v4_later = "127.0.0.1"},
};

static const struct zone no_zone = {.name = ""};

/* NULL: the server is to stay silent. */
static const struct zone *zone_of(const unsigned char *q, size_t n)
{
    char name[256];
    size_t at = 0, len = 0;
    while (at < n && q[at] && len + q[at] + 2 < sizeof(name)) {
        memcpy(name + len, q + at + 1, q[at]);
        len += q[at];
        name[len++] = '.';
        at += (size_t)q[at] + 1;
    }
    name[len ? len - 1 : 0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(zones); i++)
        if (strcasecmp(zones[i].name, name) == 0)
            return &zones[i];
    return strcmp(name, "hang.test") == 0 ? NULL : &no_zone;
}

static size_t add_record(unsigned char *out, size_t n, int type, const char *ip)
{
    static const unsigned char head[] = {0xc0, 0x0c, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    size_t size = type == 1 ? 4 : 16;
    memcpy(out + n, head, sizeof(head));
    out[n + 3] = (unsigned char)type;
    out[n + 11] = (unsigned char)size;
    if (inet_pton(type == 1 ? AF_INET : AF_INET6, ip, out + n + sizeof(head)) != 1)
        abort();
    out[7]++;
    return n + sizeof(head) + size;
}

/* Answers m[0..n) in place; 0 to stay silent. */
static size_t dns_answer(unsigned char *m, size_t n, const struct zone *z)
{
    static int rebind_questions;
    int type = m[n - 3];
    m[2] = 0x84;
    m[3] = z->name[0] ? 0x80 : 0x83;
    m[6] = m[7] = m[8] = m[9] = m[10] = m[11] = 0;
    if (type == 1 && z->v4_later && rebind_questions++ > 0)
        return add_record(m, n, 1, z->v4_later);
    for (size_t i = 0; type == 1 && i < ARRAY_LEN(z->v4) && z->v4[i]; i++)
        n = add_record(m, n, 1, z->v4[i]);
    for (size_t i = 0; type == 28 && i < ARRAY_LEN(z->v6) && z->v6[i]; i++)
        n = add_record(m, n, 28, z->v6[i]);
    return n;
}

static void *dns_serve(void *arg)
{
    int fd = *(int *)arg;
    for (;;) {
        unsigned char m[1024];
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t got = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &len);
        if (got < 17)
            continue;
        /* the question ends after name, type and class; drop what may follow (EDNS) */
        size_t n = 12;
        while (n < (size_t)got && m[n])
            n += (size_t)m[n] + 1;
        n += 5;
        const struct zone *z = zone_of(m + 12, (size_t)got - 12);
        if (z)
            (void)sendto(fd, m, dns_answer(m, n, z), 0, (struct sockaddr *)&from, len);
    }
    return NULL;
}

static bool dns_start(void)
{
    static int fd;
    pthread_t thread;
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
           pthread_create(&thread, NULL, dns_serve, &fd) == 0 && pthread_detach(thread) == 0;
}

static void world_start(void)
{
    if (!enter_namespaces() || !dns_start())
        SKIP("no network and mount namespaces can be made here");
}

void test_client_dns_judges_the_addresses_names_resolve_to(void)
{
    world_start();
    struct peer *outside = peer_start_at(PUBLIC_IP, 8080, PEER_ANSWER, PEER_OK);
    struct peer *inside = peer_start_at("127.0.0.1", 8080, PEER_ANSWER, PEER_OK);
    static const char *const names[] = {"inside.test",      "meta.test",  "mapped.test",
                                        "mapped-loop.test", "loop6.test", "nat64.test",
                                        "both.test"};
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PUBLIC, "http://public.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT(strcmp(g->answer.address, PUBLIC_IP) == 0);
    EXPECT(peer_got(outside, "Host: public.test:8080\r\n"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        g = got_new(OUTBOUND_PUBLIC, "http://%s:8080/", names[i]);
        EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    }
    g = got_new(OUTBOUND_PUBLIC, "http://missing.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_DNS);
    EXPECT_EQ_INT(atomic_load(&inside->connections), 0);
    /* Of several addresses only those that are allowed are dialled. */
    g = got_new(OUTBOUND_PUBLIC, "http://mixed.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    EXPECT_EQ_INT(atomic_load(&inside->connections), 0);
    g = got_new(OUTBOUND_PRIVATE, "http://meta.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    g = got_new(OUTBOUND_PRIVATE, "http://inside.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    rig_stop(&r);
}

void test_client_dns_is_not_fooled_by_a_name_that_moves_inside(void)
{
    world_start();
    struct peer *outside = peer_start_at(PUBLIC_IP, 8080, PEER_CLOSE, PEER_OK);
    struct peer *inside = peer_start_at("127.0.0.1", 8080, PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *g = got_new(OUTBOUND_PUBLIC, "http://rebind.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_OK);
    struct rig fresh = rig_start(); /* nothing cached */
    struct got *again = got_new(OUTBOUND_PUBLIC, "http://rebind.test:8080/");
    EXPECT_EQ_INT(rig_run(&fresh, again), HTTP_CALL_BLOCKED);
    EXPECT_EQ_INT(atomic_load(&outside->connections), 1);
    EXPECT_EQ_INT(atomic_load(&inside->connections), 0);
    rig_stop(&fresh);
    rig_stop(&r);
}

void test_client_dns_takes_an_address_of_ours_for_ours(void)
{
    world_start();
    uint16_t port = 8080;
    struct outbound_own ours = {.count = 0};
    outbound_own_add(&ours, STR("0.0.0.0:8080"));
    struct peer *own = peer_start_at("0.0.0.0", port, PEER_ANSWER, PEER_OK);
    struct http_client_options o = {.own = &ours};
    struct rig r = rig_with(&o);
    struct got *g = got_new(OUTBOUND_PUBLIC, "http://public.test:8080/");
    EXPECT_EQ_INT(rig_run(&r, g), HTTP_CALL_BLOCKED);
    EXPECT_EQ_INT(atomic_load(&own->connections), 0);
    rig_stop(&r);
}

/* A silent name server costs its own call the deadline, and nobody else anything. */
void test_client_dns_that_hangs_blocks_nothing(void)
{
    world_start();
    struct peer *p = peer_start_at("127.0.0.1", 8080, PEER_ANSWER, PEER_OK);
    struct rig r = rig_start();
    struct got *stuck = got_new(OUTBOUND_PRIVATE, "http://hang.test:8080/");
    struct got *cancelled = got_new(OUTBOUND_PRIVATE, "http://hang.test:8080/");
    struct got *other = got_new(OUTBOUND_PRIVATE, "http://127.0.0.1:8080/");
    stuck->call.timeout_ms = 300;
    int64_t begin = clock_mono_ns(clock_real());
    http_client_start(r.client, &stuck->call);
    http_client_start(r.client, &cancelled->call);
    EXPECT_EQ_INT(rig_run(&r, other), HTTP_CALL_OK);
    EXPECT_EQ_INT(stuck->done, 0);
    http_client_cancel(r.client, &cancelled->call);
    rig_wait(&r, stuck);
    EXPECT_EQ_INT(stuck->answer.class, HTTP_CALL_TIMEOUT);
    EXPECT_EQ_INT(stuck->answer.timing.dns, -1);
    EXPECT_EQ_INT(rig_run(&r, other), HTTP_CALL_OK);
    rig_stop(&r);
    EXPECT((clock_mono_ns(clock_real()) - begin) / 1000000 < 3000);
    EXPECT_EQ_INT(atomic_load(&p->requests), 2);
}
