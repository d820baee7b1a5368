/* Free-running counters of one worker thread. The owner adds plainly, anybody reads: no atomic read-modify-write, no
 * shared cache line. */
#ifndef IO_COUNTERS_H
#define IO_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/*    name              meaning */
#define IO_COUNTER_TABLE(X)                                                                                            \
    X(udp_received, "datagrams received")                                                                              \
    X(udp_answered, "datagrams sent")                                                                                  \
    X(udp_dropped, "datagrams that got no answer: malformed beyond a reply, or from port 0")                           \
    X(udp_refused, "datagrams from clients outside [dns] allow")                                                       \
    X(udp_send_errors, "answers that the kernel did not take")                                                         \
    X(udp_parked, "datagrams that waited for their answer to be built")                                                \
    X(udp_parked_dropped, "datagrams that got no answer, because too many waited")                                     \
    X(tcp_accepted, "connections accepted")                                                                            \
    X(tcp_queries, "queries on connections")                                                                           \
    X(tcp_parked, "queries on connections that waited for their answer to be built")                                   \
    X(tcp_closed_idle, "connections closed for being idle")                                                            \
    X(tcp_closed_for_new, "idle connections closed early to make room for new ones")                                   \
    X(tcp_limited, "connections refused because their client address had too many")                                    \
    X(tcp_malformed, "connections closed because of bytes that cannot be answered")                                    \
    X(tcp_accept_errors, "failures to accept a connection")

struct io_counters {
#define IO_COUNTER_FIELD(name, meaning) _Atomic uint64_t name;
    IO_COUNTER_TABLE(IO_COUNTER_FIELD)
#undef IO_COUNTER_FIELD
    _Atomic uint64_t tcp_open; /* connections open now */
};

static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
