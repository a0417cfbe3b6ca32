/* cli_import.c -- configurations of other programs written as gaff.yaml. */
#include "app/cli.h"

#include "base/fs.h"
#include "compat/hook_import.h"

#include <unistd.h>

#define DOCUMENT_MAX (32u << 20)

/* The directory of the file, absolute: where the other program was started, most likely. */
static const char *directory_of(struct cli *c, const char *path)
{
    char here[4096] = "";
    if (!getcwd(here, sizeof(here)))
        here[0] = '\0';
    str directory = str_from_cstr(path);
    while (directory.n && directory.p[directory.n - 1] != '/')
        directory.n--;
    str whole = str_starts(directory, STR("/"))
                    ? directory
                    : arena_printf(&c->arena, "%s/" STR_FMT, here, STR_ARG(directory));
    return arena_cstr(&c->arena,
                      str_ends(whole, STR("/")) ? str_slice(whole, 0, whole.n - 1) : whole);
}

int cli_import_adnanh(struct cli *c)
{
    struct reason why = {0};
    struct hook_import done;
    struct buf out;
    const char *path = c->args[0], *to = cli_option(c, "out");
    struct hook_file *f = hook_file_load(path, cli_flag(c, "template"), &why);
    if (!f)
        return cli_error(CLI_FAILED, "%s", why.text);
    buf_init(&out, DOCUMENT_MAX);
    hook_import_write(f, directory_of(c, path), &out, &done);
    hook_file_unref(f);
    int code = CLI_OK;
    if (!buf_ok(&out))
        code = cli_error(CLI_FAILED, "%s is too large to be written as one file", path);
    else if (!to)
        fwrite(buf_str(&out).p, 1, out.len, stdout);
    else if (fs_exists(to))
        code = cli_error(CLI_FAILED, "%s is there already; it is not written over", to);
    else if (fs_write_atomic(to, buf_str(&out), 0600, &why) != ERR_OK)
        code = cli_error(CLI_FAILED, "%s", why.text);
    if (code == CLI_OK)
        fprintf(
            stderr,
            "%zu hooks, %zu notes, %zu left out; read the lines \"note:\" and run `gaff check`\n",
            done.hooks, done.notes, done.left_out);
    buf_release(&out);
    return code;
}
