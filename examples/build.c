/* build.c -- a push to main triggers a build and tells a chat. The build may take long and may
 * fail: the webhook runs beside (.background), is retried, and survives a restart.
 *
 * GITHUB_SECRET verifies the sender; BUILD_COMMAND is run by the shell-less way below; the chat's
 * incoming-webhook URL and its secret come from CHAT_URL and CHAT_SECRET. */
#include <gaff.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

static int run_build(const char *command, const char *repository, const char *commit)
{
    char *argv[] = {(char *)command, (char *)repository, (char *)commit, NULL};
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, command, NULL, NULL, argv, environ) != 0)
        return -1;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static int on_push(gaff_req *req, void *arg)
{
    const char *command = arg;
    if (!gaff_is(gaff_get(req, "ref"), "refs/heads/main"))
        return 204; /* done: not a push that is built */
    char *repository = gaff_cstr(req, gaff_get(req, "repository.full_name"));
    char *commit = gaff_cstr(req, gaff_get(req, "after"));
    int code = run_build(command, repository, commit);
    if (code != 0 && gaff_attempt(req) < 3)
        return gaff_retry(req, "the build of %s ended with %d", commit, code);
    char event[512];
    snprintf(event, sizeof(event), "{\"text\":\"build of %.40s %s\"}", commit,
             code == 0 ? "succeeded" : "failed");
    gaff_emit(gaff_app_of(req), "build.finished", event);
    return gaff_ok(req);
}

int main(void)
{
    const char *command = getenv("BUILD_COMMAND");
    gaff_app *app = gaff_new(NULL);
    gaff_webhook_options github = {.provider = "github",
                                   .secret = "${env:GITHUB_SECRET}",
                                   .events = "push",
                                   .background = true};
    gaff_webhook(app, "POST /webhook", &github, on_push, (void *)(command ? command : "make"));
    if (getenv("CHAT_URL"))
        gaff_subscribe(app, "build.finished", getenv("CHAT_URL"), "${env:CHAT_SECRET}");
    if (getenv("LISTEN"))
        gaff_listen(app, getenv("LISTEN"));
    return gaff_main(app);
}
