/* Queries over UDP whose answers are being built: they wait here, in memory that was taken at the start, and are asked
 * again when the control thread has served what they want. One for each worker. */
#ifndef IO_PARKED_H
#define IO_PARKED_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/answer.h"
#include "io/counters.h"

/* Of queries and whom to tell, from 100 bytes for each to 400. What does not fit is dropped: the client asks again. */
#define PARKED_BYTES       (1U << 20)
#define PARKED_RUN         128 /* answered in one go at most, half a millisecond: others want their turn */
#define PARKED_CONTROL_MAX CMSG_SPACE(sizeof(struct in6_pktinfo))

struct parked;

/* ERR_NOMEM. Both are borrowed. */
int parked_new(struct answer_reader *reader, struct io_counters *counters, struct parked **out) MUST_CHECK;
void parked_free(struct parked *p); /* NULL is allowed */
/* Keeps the query of a slot for which `item` came back with `again`; its answer will leave by `fd` to the peer of `h`,
 * from where its control data says. */
void parked_add(struct parked *p, int fd, const struct msghdr *h, const struct answer_item *item);
/* Asks again what was served. True: there is more of it. */
bool parked_run(struct parked *p);

#endif
