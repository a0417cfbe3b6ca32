/* Listening sockets that go from one program to the next. */
#include "unit.h"

#include "http/listen.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0);
    EXPECT(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
    return fd;
}

void test_listen_hands_over_with_what_waits_in_the_queue(void)
{
    struct listener old, new, other;
    struct reason why = {0};
    struct buf lines;
    buf_init(&lines, 4096);
    EXPECT_OK(listener_open("127.0.0.1:0", &old, &why), why);
    int port = old.port;
    listeners_hand_over(&lines);
    listener_close(&old);
    int client = connect_to(port); /* nobody listens as far as this process knows */
    listeners_take_over(buf_str(&lines));
    EXPECT_OK(listener_open("127.0.0.1:0", &new, &why), why);
    EXPECT_EQ_INT(new.port, port);
    int accepted = accept(new.fd, NULL, NULL);
    EXPECT(accepted >= 0);
    EXPECT_OK(listener_open("127.0.0.1:0", &other, &why), why); /* taken once */
    EXPECT(other.port != port);
    listener_close(&other);
    listener_close(&new);
    close(accepted);
    close(client);
    buf_release(&lines);
}

void test_listen_hands_over_the_file_of_a_socket(void)
{
    struct listener old, new;
    struct reason why = {0};
    struct buf lines;
    buf_init(&lines, 4096);
    EXPECT_OK(listener_open("unix:in.sock", &old, &why), why);
    listeners_hand_over(&lines);
    listener_close(&old);
    EXPECT(access("in.sock", F_OK) == 0);
    listeners_take_over(buf_str(&lines));
    EXPECT_OK(listener_open("unix:in.sock", &new, &why), why);
    EXPECT_CSTR(new.address, "unix:in.sock");
    listener_close(&new);
    buf_release(&lines);
}

void test_listen_forgets_what_nobody_asks_for(void)
{
    struct listener old, new;
    struct reason why = {0};
    struct buf lines;
    char spec[64];
    buf_init(&lines, 4096);
    EXPECT_OK(listener_open("127.0.0.1:0", &old, &why), why);
    snprintf(spec, sizeof(spec), "127.0.0.1:%d", old.port);
    listeners_hand_over(&lines);
    listener_close(&old);
    listeners_take_over(buf_str(&lines));
    listeners_take_over(STR("nonsense\n99999999999 x\n7\n"));
    EXPECT_EQ_INT(listener_open(spec, &new, &why), ERR_CONFLICT); /* it is open still */
    listeners_forget();
    EXPECT_OK(listener_open(spec, &new, &why), why);
    listener_close(&new);
    buf_release(&lines);
}
