/* Shared by tcp.c (who may connect, and for how long) and tcp_conn.c (bytes in, bytes out). */
#ifndef IO_TCP_PRIVATE_H
#define IO_TCP_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "dns/proto.h"
#include "io/tcp.h"

#define TCP_FRAME      (2 + DNS_TCP_MAX) /* length prefix and the longest message */
#define TCP_READ       (64 * 1024)
#define TCP_INPUT_MAX  (TCP_FRAME + TCP_READ) /* unprocessed bytes of a connection at most */
#define TCP_OUTPUT_MAX (2 * TCP_FRAME)        /* unsent answers of a connection at most */

/* A client address and its connections, so that one client cannot have them all. */
struct tcp_client {
    struct map_node node;      /* in tcp->clients */
    struct config_network who; /* a whole address */
    uint32_t n;
};

struct tcp_conn {
    struct list link; /* in tcp->idle, the one that is idle longest first */
    struct ev_io io;
    struct tcp *tcp;
    struct tcp_client *client;
    uint64_t active_ms; /* the last whole query, or the last progress in sending */
    bool is_refused;    /* by [dns] allow: is told so */
    struct list waiting; /* in tcp->waiting while the answer to its next query is being built */
    uint32_t wanted;     /* whose number this is */
    uint8_t round;       /* how often that query was asked already */
    uint8_t *in, *out;  /* what is left over, NULL: nothing */
    size_t in_len, out_at, out_len;
};

struct tcp_listener {
    struct list link;
    struct ev_io io;
    struct tcp *tcp;
};

struct tcp {
    struct tcp_parts parts;
    struct tcp_options o;
    uint64_t key;
    struct list listeners, idle;
    struct list waiting; /* connections in the order of `wanted` */
    uint32_t n_conns;
    struct map clients;
    struct ev_timer idle_timer;  /* for the head of `idle` */
    struct ev_timer pause_timer; /* accepts again after the process ran out of descriptors */
    /* Scratch of the thread: what a connection leaves over is copied to memory of its own. */
    uint8_t in[TCP_INPUT_MAX];
    uint8_t out[TCP_OUTPUT_MAX];
};

/* Begins to read; may close the connection at once. */
void tcp_conn_start(struct tcp_conn *c);
void tcp_conn_close(struct tcp_conn *c);
/* It did something: moves it to the end of the idle list. */
void tcp_conn_touch(struct tcp_conn *c);

#endif
