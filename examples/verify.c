/* verify.c -- a CGI program of some other server that lets only GitHub in: gaff_verify judges the
 * request, and nothing else of the library runs. Its body is on stdin, its head in the environment.
 * While GITHUB_OLD_SECRET is being replaced it counts until GITHUB_OLD_SECRET_ENDS (Unix time). */
#include <ctype.h>
#include <gaff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELDS_MAX 100
#define BODY_MAX (1 << 20)

extern char **environ;

/* HTTP_X_GITHUB_EVENT=push is how a server hands over "X-GitHub-Event: push". */
static size_t read_fields(gaff_field *out)
{
    size_t count = 0;
    for (char **e = environ; *e && count < FIELDS_MAX; e++) {
        char *value = strchr(*e, '=');
        if (strncmp(*e, "HTTP_", 5) != 0 || !value)
            continue;
        *value++ = '\0';
        for (char *c = *e + 5; *c; c++)
            *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
        out[count++] = (gaff_field){*e + 5, {value, strlen(value)}};
    }
    return count;
}

int main(void)
{
    static char body[BODY_MAX], why[GAFF_WHY_MAX];
    static gaff_field fields[FIELDS_MAX];
    const char *secret = getenv("GITHUB_SECRET"), *old = getenv("GITHUB_OLD_SECRET");
    const char *ends = getenv("GITHUB_OLD_SECRET_ENDS");
    gaff_secret secrets[] = {{secret, 0}, {old, ends ? strtoll(ends, NULL, 10) : 1}};
    gaff_message m = {.method = getenv("REQUEST_METHOD"), .headers = fields};
    m.body = (gaff_str){body, fread(body, 1, sizeof(body), stdin)};
    m.header_count = read_fields(fields);
    gaff_err e = gaff_verify("github", secrets, old ? 2 : 1, &m, time(NULL), why);
    if (e != GAFF_OK)
        fprintf(stderr, "refused: %s\n", why); /* why is for you: the sender is told nothing */
    printf("Status: %s\r\nContent-Type: text/plain\r\n\r\n%s\n",
           e == GAFF_OK ? "200 OK" : "401 Unauthorized", e == GAFF_OK ? "thanks" : "no");
    return 0;
}
