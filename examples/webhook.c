#include <gaff.h>
#include <stdio.h>

static int on_push(gaff_req *req, void *arg)
{
    (void)arg;
    printf("push to %.*s\n", GAFF_ARG(gaff_get(req, "repository.full_name")));
    return gaff_ok(req);
}
int main(void)
{
    gaff_app *app = gaff_new(NULL);
    gaff_webhook_options o = {.provider = "github", .secret = "${env:GITHUB_SECRET}"};
    gaff_webhook(app, "POST /webhook", &o, on_push, NULL);
    return gaff_main(app);
}
