/* Queries that wait for their answers: whom they are told, in which order, and how many fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/wire.h"
#include "io/parked.h"

#define MOST 20000

struct fixture {
    struct answers *answers;
    struct answer_reader *reader;
    struct parked *parked;
    struct io_counters counters;
    struct sockaddr_in client_address;
    int server, client;
    uint16_t asked, answered; /* ids count up */
};

static int udp_socket(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

static void begin(struct fixture *f)
{
    struct sockaddr_in server_address;
    memset(f, 0, sizeof(*f));
    f->server = udp_socket(&server_address);
    f->client = udp_socket(&f->client_address);
    assert_int_equal(answers_new(1, 1, &f->answers), 0);
    f->reader = answers_reader(f->answers, 0);
    assert_int_equal(parked_new(f->reader, &f->counters, &f->parked), 0);
    answer_reader_online(f->reader);
}

static void end(struct fixture *f)
{
    answer_reader_offline(f->reader);
    parked_free(f->parked);
    answers_free(f->answers);
    close(f->server);
    close(f->client);
}

/* The next question, `labels` long; no world knows the name, so its answer is there as soon as it is asked again.
 * False: it was dropped. */
static bool add(struct fixture *f, uint8_t labels)
{
    uint8_t packet[DNS_UDP_MAX];
    struct wire_writer w = wire_writer(packet, sizeof(packet));
    wire_write_u16(&w, f->asked);
    wire_write_u16(&w, 0);
    wire_write_u16(&w, 1);
    wire_write_u32(&w, 0);
    wire_write_u16(&w, 0);
    for (uint8_t i = 0; i < labels; i++)
        wire_write(&w, "\1a", 2);
    wire_write_u8(&w, 0);
    wire_write_u16(&w, DNS_A);
    wire_write_u16(&w, DNS_IN);
    struct answer_item item = {.packet = packet, .again = (size_t)(w.at - packet), .is_wanted = true};
    struct msghdr h = {.msg_name = &f->client_address, .msg_namelen = sizeof(f->client_address)};
    uint64_t before = counter_get(&f->counters.udp_parked);
    parked_add(f->parked, f->server, &h, &item);
    bool is_parked = counter_get(&f->counters.udp_parked) > before;
    assert_int_equal(counter_get(&f->counters.udp_parked_dropped), !is_parked);
    f->asked += is_parked;
    return is_parked;
}

/* Runs once and hears what was answered; returns how many. */
static size_t run(struct fixture *f, bool *has_more)
{
    uint8_t answer[DNS_UDP_MAX];
    size_t n = 0;
    *has_more = parked_run(f->parked);
    while (recv(f->client, answer, sizeof(answer), MSG_DONTWAIT) >= DNS_HEADER_LEN) {
        assert_int_equal(answer[0] << 8 | answer[1], f->answered++);
        assert_true((answer[2] & 0x80) != 0);
        n++;
    }
    return n;
}

static void thousands_wait_and_are_told_in_order(void **state)
{
    struct fixture f;
    bool has_more = true;
    begin(&f);
    while (f.asked < MOST && add(&f, (uint8_t)(f.asked % 20)))
        ;
    assert_in_range(f.asked, 4096, MOST - 1);
    f.counters.udp_parked_dropped = 0;
    while (has_more)
        assert_in_range(run(&f, &has_more), 1, PARKED_RUN);
    assert_int_equal(f.answered, f.asked);
    end(&f);
}

/* Goes round the ring several times; always full, never empty. */
static void ring_wraps(void **state)
{
    struct fixture f;
    bool has_more;
    begin(&f);
    for (int round = 0; round < 100; round++) {
        while (add(&f, (uint8_t)(50 + f.asked * round % 50)))
            ;
        f.counters.udp_parked_dropped = 0;
        assert_int_equal(run(&f, &has_more), PARKED_RUN);
        assert_true(has_more);
    }
    do
        run(&f, &has_more);
    while (has_more);
    assert_int_equal(f.answered, f.asked);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_wait_and_are_told_in_order),
        cmocka_unit_test(ring_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
