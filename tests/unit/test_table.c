/* The table of names against a plain array: random inserts and removals, names of both kinds, growth, tombstones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/rng.h"
#include "engine/table.h"

#define NAMES 3000

static struct table table;
static struct retire_batch batch;
static struct answer_node *nodes[NAMES];
static struct answer_body *const some_body = (struct answer_body *)(uintptr_t)64; /* never looked into */

static struct dns_name name_of(unsigned i)
{
    struct dns_name n;
    char text[64];
    snprintf(text, sizeof(text), "name-%u.service.local", i);
    assert_int_equal(dns_name_parse(text, &n, NULL), 0);
    return n;
}

/* A poor hash on purpose: many names share slots, some a whole hash. */
static uint64_t poor_hash(unsigned i)
{
    return (uint64_t)(i % 7) << 58 | (uint64_t)(i % 3) << 40 | i / 2 % 500;
}

static struct answer_node *node_new(const struct dns_name *name, uint64_t hash, uint8_t n_loose)
{
    struct answer_node *n = calloc(1, sizeof(*n) + name->len);
    assert_non_null(n);
    n->hash = hash;
    n->n_loose = n_loose;
    n->len = name->len;
    memcpy(n->name, name->wire, name->len);
    atomic_init(&n->body, some_body);
    return n;
}

static const struct answer_node *find(const struct dns_name *name, uint64_t hash)
{
    struct dns_name loose = *name;
    dns_name_fold_loose(&loose);
    return table_find(&table, hash, loose.wire, name->wire, name->len);
}

static void flip(unsigned i)
{
    struct dns_name name = name_of(i);
    if (nodes[i] != NULL) {
        table_remove(&table, nodes[i]);
        free(nodes[i]);
        nodes[i] = NULL;
        return;
    }
    nodes[i] = node_new(&name, poor_hash(i), name.len - 15);
    assert_int_equal(table_insert(&table, nodes[i], &batch), 0);
}

static void keep(void *arg, struct answer_node *n)
{
    size_t *count = arg;
    (*count)++;
}

static void test_against_an_array(void **state)
{
    struct rng rng = {.state = 1};
    table_init(&table);
    for (int round = 0; round < 40; round++) {
        for (int k = 0; k < 300; k++)
            flip(rng_below(&rng, NAMES));
        size_t n = 0, seen = 0;
        for (unsigned i = 0; i < NAMES; i++) {
            struct dns_name name = name_of(i);
            assert_ptr_equal(find(&name, poor_hash(i)), nodes[i]);
            n += nodes[i] != NULL;
        }
        table_each(&table, keep, &seen);
        assert_int_equal(table.n, n);
        assert_int_equal(seen, n);
        retire_now(&batch);
    }
    size_t count = 0;
    table_clear(&table, &batch, keep, &count);
    retire_now(&batch);
}

/* Static names compare exactly, dynamic ones loosely below their domain; data wins over an empty non-terminal. */
static void test_two_kinds(void **state)
{
    struct dns_name name, other;
    assert_int_equal(dns_name_parse("a-b.my_zone", &name, NULL), 0);
    assert_int_equal(dns_name_parse("a_b.my_zone", &other, NULL), 0);
    table_init(&table);
    struct answer_node *is_static = node_new(&other, 9, 0);
    atomic_store(&is_static->body, NULL); /* an empty non-terminal */
    assert_int_equal(table_insert(&table, is_static, &batch), 0);
    assert_ptr_equal(find(&other, 9), is_static);
    assert_null(find(&name, 9));
    struct answer_node *dynamic = node_new(&name, 9, 4);
    assert_int_equal(table_insert(&table, dynamic, &batch), 0);
    assert_ptr_equal(find(&other, 9), dynamic);
    assert_ptr_equal(find(&name, 9), dynamic);
    assert_int_equal(dns_name_parse("a-b.my-zone", &other, NULL), 0);
    assert_null(find(&other, 9)); /* another domain */
    assert_ptr_equal(table_get(&table, 9, &name, 4), dynamic);
    assert_null(table_get(&table, 9, &name, 0));
    size_t count = 0;
    table_clear(&table, &batch, keep, &count);
    assert_int_equal(count, 2);
    retire_now(&batch);
}

/* As many names as `table` has fit without another growth, which would retire slots. */
static void test_reserve(void **state)
{
    memset(nodes, 0, sizeof(nodes));
    table_init(&table);
    for (unsigned i = 0; i < NAMES; i++)
        flip(i);
    retire_now(&batch);
    struct table like = table;
    table_init(&table);
    assert_int_equal(table_reserve(&table, &like), 0);
    struct answer_node *others[NAMES];
    memcpy(others, nodes, sizeof(others));
    memset(nodes, 0, sizeof(nodes));
    for (unsigned i = 0; i < NAMES; i++)
        flip(i);
    assert_null(batch.first);
    assert_int_equal(table.n, NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        flip(i);
        free(others[i]);
    }
    for (unsigned k = 0; k < TABLE_SHARDS; k++) {
        free(atomic_load(&like.shards[k].slots));
        free(atomic_load(&table.shards[k].slots));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_two_kinds),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
