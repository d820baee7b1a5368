/* A store keeps what was acknowledged. One table of functions per kind; one test body runs against every one.
 *
 * Commits are asynchronous: submit copies the op and returns; completions come in the order of submission, each ok or
 * failed, through poll. A store that works on another thread calls `wake` (any thread) when completions are ready; the
 * owner then polls. Renewals never come here. Everything but wake happens on the control thread. */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct description;

enum store_op_kind {
    STORE_PUT,    /* description, state and draining mark of one instance */
    STORE_DELETE, /* what is left is a held id, if a hold was asked for; the next put ends that */
    STORE_STATE,  /* state and draining mark only */
};

struct store_op {
    uint64_t ticket; /* of the caller, comes back in the completion */
    enum store_op_kind kind;
    const char *service, *id; /* as shown */
    struct description *desc; /* STORE_PUT: the store takes a reference if it keeps it past submit */
    uint8_t state;            /* enum instance_state */
    bool is_draining;
    uint64_t hold_ms; /* STORE_DELETE: how long the id is held, 0: not */
};

struct store_completion {
    uint64_t ticket;
    bool ok;
    uint64_t revision; /* 0: this store does not number changes */
};

/* An instance, or an id without one that a HOLD keeps. */
struct store_record {
    const char *service, *id; /* as shown */
    struct description *desc; /* NULL: the id is held */
    uint8_t state;
    bool is_draining;
    uint64_t hold_ms; /* of a held id: what is left, > 0; a store that keeps no time gives what was asked for */
};

struct store; /* each kind begins with `const struct store_vtable *vtable` */

struct store_vtable {
    const char *name;
    bool is_durable; /* what was acknowledged is there after close and open */
    /* `path` as configured, may be NULL. `wake(wake_arg)`: see above. */
    int (*open)(const char *path, void (*wake)(void *), void *wake_arg, struct store **out, struct err *e);
    void (*close)(struct store *s); /* what was submitted is committed or failed first; NULL is allowed */
    /* The revision after the last change stored; 0 if the store keeps none. */
    uint64_t (*revision)(const struct store *s);
    /* Every record once, at start; a hold that is over is none. `each` returns 0 or an error that ends the walk and is returned. */
    int (*load)(struct store *s, int (*each)(const struct store_record *rec, void *arg), void *arg, struct err *e);
    /* Never blocks. ERR_UNAVAILABLE or ERR_NOMEM: not taken, no completion will come. */
    int (*submit)(struct store *s, const struct store_op *op);
    size_t (*poll)(struct store *s, struct store_completion *out, size_t cap);
};

/* Completes in memory at the next poll; nothing survives. */
extern const struct store_vtable store_memory;

/* By its configured name, NULL if there is none. */
const struct store_vtable *store_find(const char *name);
/* Each store there is: index 0 and on, NULL after the last. */
const struct store_vtable *store_at(size_t index);

#endif
