/* users.c -- an API and its events: GET /users lists, POST /users creates one and tells every
 * subscriber `user.created`.
 *
 *   curl -d '{"name":"Ada"}' http://127.0.0.1:8080/users
 *   curl http://127.0.0.1:8080/users
 *
 * SUBSCRIBER_URL and SUBSCRIBER_SECRET (whsec_...) name who is told, if anybody. */
#include <gaff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX 1000

struct users { /* handlers run one at a time: no lock is needed */
    char names[USERS_MAX][64];
    int count;
};

static int list_users(gaff_req *req, void *arg)
{
    const struct users *users = arg;
    size_t size = 16 + (size_t)users->count * 160, used = 0;
    char *out = gaff_alloc(req, size);
    if (!out)
        return gaff_fail(req, 500, "too many users for one answer");
    used += (size_t)snprintf(out, size, "[");
    for (int i = 0; i < users->count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s{\"id\":%d,\"name\":\"%s\"}",
                                 i ? "," : "", i + 1, users->names[i]);
    used += (size_t)snprintf(out + used, size - used, "]\n");
    return gaff_bytes(req, 200, "application/json", (gaff_str){out, used});
}

/* Letters, digits, blanks, dots and dashes, so that a name needs no escaping above. */
static int is_plain(gaff_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-",
                    name.ptr[i]))
            return 0;
    return name.len > 0 && name.len < 64;
}

static int create_user(gaff_req *req, void *arg)
{
    struct users *users = arg;
    gaff_str name = gaff_get(req, "name");
    char event[160];
    if (!is_plain(name))
        return gaff_fail(req, 422,
                         "\"name\" must be 1 to 63 letters, digits, blanks, dots, dashes");
    if (users->count == USERS_MAX)
        return gaff_fail(req, 507, "there are %d users already", USERS_MAX);
    int id = users->count + 1;
    snprintf(event, sizeof(event), "{\"id\":%d,\"name\":\"%.*s\"}", id, GAFF_ARG(name));
    if (gaff_emit(gaff_app_of(req), "user.created", event) != GAFF_OK)
        return gaff_fail(req, 503, "the event could not be stored; try again");
    snprintf(users->names[users->count++], 64, "%.*s", GAFF_ARG(name));
    return gaff_json(req, 201, "{\"id\": %d, \"name\": %.*s}", id, GAFF_ARG(name));
}

int main(void)
{
    static struct users users;
    gaff_app *app = gaff_new(NULL);
    const char *url = getenv("SUBSCRIBER_URL");
    gaff_route(app, "GET /users", list_users, &users);
    gaff_route(app, "POST /users", create_user, &users);
    if (url)
        gaff_subscribe(app, "user.*", url, "${env:SUBSCRIBER_SECRET}");
    if (getenv("LISTEN"))
        gaff_listen(app, getenv("LISTEN"));
    return gaff_main(app);
}
