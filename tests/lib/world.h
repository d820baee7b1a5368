/* A registry on virtual time with a store that can be late and can fail, driven by lines of text and told as lines of text. What
 * the simulations, the out-of-memory sweep and the conformance of stores share.
 *
 *     > register web a 10.0.0.1 80 ttl=30s            0.000  registered web/a none -> passing, revision 101
 *     > at 31s                                        0.000  reply 1: ok, id a, lease 30s, revision 101
 *                                                    30.000  expired web/a passing -> none, gone, service gone, revision 102
 *
 * Commands; a word of the form key="with blanks" may hold blanks:
 *     at T | register SERVICE ID|- ADDRESS PORT [ttl= weight= priority= tag= meta=k=v port=name:number check= session=]
 *     renew SERVICE ID | deregister SERVICE ID [hold=T] | drain SERVICE ID | undrain SERVICE ID
 *     report SERVICE ID STATUS [note] | probe SERVICE ID INDEX STATUS [output] [epoch=N] | close SESSION
 *     store ok|failing|holding   answers at once (default), refuses at once, keeps ops until told
 *     commit N | refuse N        completes the next N ops that are kept
 *     restore SERVICE ID ADDRESS PORT [as register], restore SERVICE ID hold=TIME
 *     section NAME [ttl=seconds check=] | unsection NAME | reserve NAME... | options key=value...
 *     show | counts | quiet (no line for lease moves) | loud */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "base/buf.h"
#include "registry/registry.h"

#define WORLD_SECTIONS 8

struct world_op {
    uint64_t ticket;
};

struct world {
    struct registry *registry;
    struct registry_options options;
    struct service_policy policy;
    struct service_section sections[WORLD_SECTIONS];
    struct check_spec section_checks[WORLD_SECTIONS];
    char section_strings[WORLD_SECTIONS][CHECK_STRINGS_MAX];
    char section_names[WORLD_SECTIONS][SERVICE_NAME_MAX + 1];
    size_t n_sections;
    uint64_t now_ms, next_request;
    enum { WORLD_OK, WORLD_FAILING, WORLD_HOLDING } store;
    uint64_t *tickets; /* owned: ops not completed, oldest first */
    size_t n_tickets;
    struct effects effects;
    struct buf out;
    bool is_quiet;
    /* Every allocation of every step fails once before the step succeeds (needs tests/lib/heap). */
    bool is_sweeping;
    unsigned long n_failures; /* steps that returned ERR_NOMEM */
};

void world_init(struct world *w);
void world_fini(struct world *w);
/* One command; what happens is appended to w->out. */
void world_command(struct world *w, const char *line);
/* Everything of the registry that its users can see, as text. */
void world_dump(const struct world *w, struct buf *out);

#endif
