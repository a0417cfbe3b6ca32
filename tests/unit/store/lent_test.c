/* What is lent: by id and by destination, and in a file that tells the next process of it. */
#include "unit.h"

#include "store/lent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE 77u

static struct lent *open_lent(uint64_t store_id)
{
    struct reason why = {0};
    struct lent *l = lent_open("lent", store_id, &why);
    if (!l)
        FAIL("lent_open: %s", why.text);
    return l;
}

static bool add(struct lent *l, uint64_t id, int64_t destination, int64_t next_ms)
{
    struct reason why;
    struct lent_row row = {id, id + 1000, destination, next_ms, id % 2 == 0};
    return lent_add(l, &row, 1, &why) == ERR_OK;
}

/* Whether the former process held it, due at next_ms. */
static bool was_held(const struct lent *l, uint64_t id, int64_t next_ms)
{
    size_t n;
    const struct lent_row *v = lent_former(l, &n);
    for (size_t i = 0; i < n; i++)
        if (v[i].id == id && v[i].next_ms == next_ms)
            return true;
    return false;
}

static size_t former_count(const struct lent *l)
{
    size_t n;
    lent_former(l, &n);
    return n;
}

void test_lent_until_taken_back(void)
{
    struct lent *l = open_lent(STORE);
    struct lent_row row = {0};
    EXPECT(add(l, 1, 5, 100) && add(l, 2, 5, 100) && add(l, 3, 6, 100));
    EXPECT(lent_has(l, 1) && lent_has(l, 3) && !lent_has(l, 4));
    EXPECT_EQ_UINT(lent_count(l), 3u);
    EXPECT_EQ_UINT(lent_count_of(l, 5), 2u);
    EXPECT_EQ_UINT(lent_count_of(l, 6), 1u);
    EXPECT(lent_take_back(l, 1, &row));
    EXPECT(row.id == 1 && row.event_id == 1001 && row.destination == 5 && row.next_ms == 100);
    EXPECT(!lent_take_back(l, 1, &row) && !lent_has(l, 1));
    EXPECT_EQ_UINT(lent_count_of(l, 5), 1u);
    lent_again(l, &row);
    EXPECT(lent_has(l, 1));
    EXPECT_EQ_UINT(lent_count_of(l, 5), 2u);
    lent_close(l);
}

void test_lent_is_counted_between_ids(void)
{
    struct lent *l = open_lent(STORE);
    size_t tried;
    for (uint64_t id = 1; id <= 9; id++)
        EXPECT(add(l, id, id == 9 ? 6 : 5, 100));
    EXPECT_EQ_UINT(lent_count_between(l, 5, 0, UINT64_MAX, &tried), 8u);
    EXPECT_EQ_UINT(tried, 4u);
    EXPECT_EQ_UINT(lent_count_between(l, 5, 2, 5, &tried), 2u); /* 3 and 4 */
    EXPECT_EQ_UINT(tried, 1u);
    EXPECT_EQ_UINT(lent_count_between(l, 6, 0, 9, &tried), 0u);
    EXPECT_EQ_UINT(tried, 0u);
    lent_close(l);
}

void test_lent_tells_its_ids(void)
{
    struct lent *l = open_lent(STORE);
    uint64_t ids[4] = {0}, sum = 0;
    for (uint64_t id = 1; id <= 3; id++)
        EXPECT(add(l, id, 5, 100));
    EXPECT_EQ_UINT(lent_ids(l, ids, 4), 3u);
    for (size_t i = 0; i < 4; i++)
        sum += ids[i];
    EXPECT_EQ_UINT(sum, 6u);
    EXPECT_EQ_UINT(lent_ids(l, ids, 1), 3u); /* how many there are, however few fit */
    lent_close(l);
}

/* A killed process closes nothing either: what was written is all that the next one has. */
void test_lent_the_next_process_knows_what_was_held(void)
{
    struct lent *l = open_lent(STORE);
    EXPECT_EQ_UINT(former_count(l), 0u);
    EXPECT(add(l, 1, 5, 100) && add(l, 2, 5, 200));
    lent_close(l);
    l = open_lent(STORE);
    EXPECT_EQ_UINT(former_count(l), 2u);
    EXPECT(was_held(l, 1, 100) && was_held(l, 2, 200));
    EXPECT_EQ_UINT(lent_count(l), 0u); /* it was a lease of the former one */
    EXPECT(add(l, 3, 5, 300));
    EXPECT_EQ_UINT(former_count(l), 0u);
    lent_close(l);
    l = open_lent(STORE);
    EXPECT(was_held(l, 3, 300) && !was_held(l, 1, 100));
    lent_close(l);
}

/* Opened and ended again before anything was claimed: the one before it is still told of. */
void test_lent_is_told_until_something_is_lent_again(void)
{
    struct lent *l = open_lent(STORE);
    EXPECT(add(l, 1, 5, 100));
    lent_close(l);
    lent_close(open_lent(STORE));
    l = open_lent(STORE);
    EXPECT(was_held(l, 1, 100));
    lent_close(l);
}

/* It was in nobody's hands when the process ended. */
void test_lent_what_was_given_back_is_not_told(void)
{
    struct lent *l = open_lent(STORE);
    struct lent_row row;
    EXPECT(add(l, 1, 5, 100) && add(l, 2, 5, 100) && add(l, 3, 5, 100));
    EXPECT(lent_take_back(l, 2, &row));
    lent_forget_given_back(l);
    lent_close(l);
    l = open_lent(STORE);
    EXPECT(was_held(l, 1, 100) && !was_held(l, 2, 100) && was_held(l, 3, 100));
    lent_forget_given_back(l); /* nothing of it was this process's */
    EXPECT(was_held(l, 1, 100));
    lent_close(l);
    l = open_lent(STORE);
    EXPECT(was_held(l, 1, 100));
    lent_close(l);
}

void test_lent_of_another_store_is_passed_over(void)
{
    struct lent *l = open_lent(STORE);
    EXPECT(add(l, 1, 5, 100));
    lent_close(l);
    l = open_lent(STORE + 1);
    EXPECT_EQ_UINT(former_count(l), 0u);
    lent_close(l);
}

void test_lent_file_stays_small(void)
{
    struct lent *l = open_lent(STORE);
    struct lent_row row;
    struct stat st;
    for (uint64_t id = 1; id <= 300000; id++) {
        EXPECT(add(l, id, 5, (int64_t)id));
        if (id > 100)
            EXPECT(lent_take_back(l, id - 100, &row));
    }
    EXPECT(stat("lent", &st) == 0 && st.st_size <= 1 << 20);
    lent_close(l);
    l = open_lent(STORE);
    for (uint64_t id = 299901; id <= 300000; id++)
        EXPECT(was_held(l, id, (int64_t)id));
    lent_close(l);
}

void test_lent_much_at_once_is_all_told(void)
{
    enum { MANY = 200000 };
    struct lent *l = open_lent(STORE);
    struct lent_row *v = calloc(MANY, sizeof(*v));
    struct reason why;
    for (uint64_t i = 0; i < MANY; i++)
        v[i] = (struct lent_row){i + 1, 1, 5, 7, false};
    EXPECT(lent_add(l, v, MANY / 2, &why) == ERR_OK);
    EXPECT(lent_add(l, v + MANY / 2, MANY / 2, &why) == ERR_OK);
    EXPECT_EQ_UINT(lent_count_of(l, 5), (unsigned)MANY);
    lent_close(l);
    l = open_lent(STORE);
    EXPECT_EQ_UINT(former_count(l), (unsigned)MANY);
    EXPECT(was_held(l, 1, 7) && was_held(l, MANY, 7));
    lent_close(l);
    free(v);
}

void test_lent_file_of_anything_is_none(void)
{
    static const char junk[] = "neither a head nor an entry, and of no whole number of them";
    int fd = open("lent", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(write(fd, junk, sizeof(junk)) == (ssize_t)sizeof(junk));
    close(fd);
    struct lent *l = open_lent(STORE);
    EXPECT_EQ_UINT(former_count(l), 0u);
    EXPECT(add(l, 1, 5, 100));
    lent_close(l);
    l = open_lent(STORE);
    EXPECT(was_held(l, 1, 100));
    EXPECT_EQ_UINT(former_count(l), 1u);
    lent_close(l);
}

void test_lent_that_cannot_be_noted_is_not_lent(void)
{
    struct lent *l = open_lent(STORE);
    struct reason why = {0};
    struct lent_row row = {1, 2, 5, 100, false};
    lent_close(l);
    int fd = open("lent", O_RDONLY);
    EXPECT(fd >= 0);
    l = open_lent(STORE);
    for (int i = fd + 1; i < fd + 8; i++) /* its descriptor can only be read from now on */
        if (fcntl(i, F_GETFD) >= 0)
            dup2(fd, i);
    EXPECT(lent_add(l, &row, 1, &why) == ERR_IO);
    EXPECT_HAS(why.text, "claimed");
    EXPECT(!lent_has(l, 1) && lent_count(l) == 0);
    lent_close(l);
    close(fd);
}
