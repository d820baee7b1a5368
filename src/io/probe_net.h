/* Probes over the network: http, https and tcp, through libcurl, which also resolves host names without blocking. */
#ifndef IO_PROBE_NET_H
#define IO_PROBE_NET_H

#include "io/prober.h"

struct probe_net;

/* Of the options: loop, ca_file (copied), max_kept, seed, done, arg. ERR_NOMEM. */
int probe_net_new(const struct prober_options *o, struct probe_net **out) MUST_CHECK;
/* Cancels what runs. NULL is allowed. */
void probe_net_free(struct probe_net *n);
/* As prober_start, for CHECK_HTTP, CHECK_HTTPS and CHECK_TCP. */
int probe_net_start(struct probe_net *n, const struct probe_job *job, struct err *e) MUST_CHECK;

#endif
