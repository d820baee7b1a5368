/* The containers and the hash below them. */
#include "base/map.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/rng.h"

struct item {
    struct map_node node;
    unsigned key;
    bool is_in;
    unsigned seen;
};

static struct item *find(const struct map *m, unsigned key, uint64_t hash)
{
    struct item *found = NULL;
    for (struct map_node *n = map_first(m, hash); n != NULL; n = map_next(n)) {
        assert_true(n->hash == hash);
        if (CONTAINER_OF(n, struct item, node)->key == key)
            found = CONTAINER_OF(n, struct item, node);
    }
    return found;
}

/* Hashes with few distinct values: equal hashes, and equal buckets with other hashes, both occur all the time. */
static uint64_t poor_hash(unsigned key)
{
    return (uint64_t)(key % 7) << 40 | key % 5;
}

static uint64_t good_hash(unsigned key)
{
    return hash_bytes(&key, sizeof(key), 11);
}

static void random_run(uint64_t (*hash)(unsigned key))
{
    enum { N = 500 };
    static struct item items[N];
    struct rng r = {.state = 5};
    struct map m;
    size_t n_in = 0;
    memset(items, 0, sizeof(items));
    assert_int_equal(map_init(&m), 0);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned key = rng_below(&r, N);
        struct item *it = &items[key];
        it->key = key;
        if (it->is_in)
            map_remove(&m, &it->node);
        else
            map_insert(&m, &it->node, hash(key));
        n_in += it->is_in ? (size_t)-1 : 1;
        it->is_in = !it->is_in;
        assert_ptr_equal(find(&m, key, hash(key)), it->is_in ? it : NULL);
        unsigned other = rng_below(&r, N);
        assert_ptr_equal(find(&m, other, hash(other)), items[other].is_in ? &items[other] : NULL);
    }
    assert_int_equal(m.len, n_in);
    for (struct map_node *n = map_each(&m, NULL); n != NULL; n = map_each(&m, n))
        CONTAINER_OF(n, struct item, node)->seen++;
    for (size_t i = 0; i < N; i++)
        assert_int_equal(items[i].seen, items[i].is_in);
    map_fini(&m);
}

static void test_map_agrees_with_a_table_of_flags(void **state)
{
    random_run(poor_hash);
    random_run(good_hash);
}

static void test_map_grows(void **state)
{
    enum { N = 100000 };
    struct item *items = calloc(N, sizeof(*items));
    struct map m;
    assert_non_null(items);
    assert_int_equal(map_init(&m), 0);
    for (unsigned i = 0; i < N; i++) {
        size_t before = m.n_buckets;
        items[i].key = i;
        map_insert(&m, &items[i].node, good_hash(i));
        assert_true(m.n_buckets - before <= 1); /* no insert moves more than a chain */
        if (i % 1000 == 0)
            assert_ptr_equal(find(&m, i / 2, good_hash(i / 2)), &items[i / 2]);
    }
    assert_int_equal(m.n_buckets, N);
    for (unsigned i = 0; i < N; i++)
        assert_ptr_equal(find(&m, i, good_hash(i)), &items[i]);
    size_t n = 0; /* everything may be removed on the way if the successor is fetched first */
    for (struct map_node *at = map_each(&m, NULL), *next; at != NULL; at = next, n++) {
        next = map_each(&m, at);
        map_remove(&m, at);
    }
    assert_int_equal(n, N);
    assert_int_equal(m.len, 0);
    assert_null(map_each(&m, NULL));
    map_fini(&m);
    free(items);
}

static void test_hash_depends_on_every_byte_length_and_key(void **state)
{
    uint8_t data[64];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t len = 0; len < sizeof(data); len++) {
        uint64_t h = hash_bytes(data, len, 1);
        assert_true(h == hash_bytes(data, len, 1));
        assert_true(h != hash_bytes(data, len, 2));
        assert_true(h != hash_bytes(data, len + 1, 1));
        for (size_t i = 0; i < len * 8; i++) {
            data[i / 8] ^= (uint8_t)(1u << i % 8);
            assert_true(h != hash_bytes(data, len, 1));
            data[i / 8] ^= (uint8_t)(1u << i % 8);
        }
    }
}

/* Zeros at the end are content: the padding of the last block must not be confused with them. */
static void test_hash_of_trailing_zeros(void **state)
{
    static const uint8_t zeros[40];
    for (size_t a = 0; a <= sizeof(zeros); a++)
        for (size_t b = 0; b < a; b++)
            assert_true(hash_bytes(zeros, a, 9) != hash_bytes(zeros, b, 9));
}

/* 2^16 near-equal names over 2^16 buckets: about 1/e of the buckets stay empty if the low bits are good. */
static void test_hash_spreads_similar_names(void **state)
{
    enum { N = 1 << 16 };
    uint8_t *used = calloc(N, 1);
    size_t n_empty = 0;
    assert_non_null(used);
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "service-%u.local", i);
        used[hash_bytes(name, (size_t)len, 42) % N] = 1;
    }
    for (size_t i = 0; i < N; i++)
        n_empty += used[i] == 0;
    assert_in_range(n_empty, N * 36 / 100, N * 38 / 100);
    free(used);
}

static void test_list(void **state)
{
    struct list head, other, a, b, c;
    list_init(&head);
    list_init(&other);
    list_init(&a);
    assert_true(list_is_empty(&head));
    list_push(&head, &a);
    list_push(&head, &b);
    list_push(&other, &c);
    assert_ptr_equal(head.next, &a);
    assert_ptr_equal(head.prev, &b);
    list_splice(&other, &head);
    assert_true(list_is_empty(&head));
    assert_ptr_equal(other.next, &c);
    assert_ptr_equal(c.next, &a);
    assert_ptr_equal(b.next, &other);
    assert_ptr_equal(other.prev, &b);
    list_remove(&a);
    list_remove(&a);
    assert_ptr_equal(c.next, &b);
    assert_ptr_equal(b.prev, &c);
    list_splice(&other, &head);
    assert_ptr_equal(other.prev, &b);
}

static void test_rng_stays_below(void **state)
{
    struct rng r = {.state = 1};
    unsigned count[6] = {0};
    for (int i = 0; i < 60000; i++)
        count[rng_below(&r, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(count[i], 9500, 10500);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&r, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_agrees_with_a_table_of_flags),
        cmocka_unit_test(test_map_grows),
        cmocka_unit_test(test_hash_depends_on_every_byte_length_and_key),
        cmocka_unit_test(test_hash_of_trailing_zeros),
        cmocka_unit_test(test_hash_spreads_similar_names),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_rng_stays_below),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
