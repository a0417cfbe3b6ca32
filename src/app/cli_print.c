/* cli_print.c -- tables for people, JSON for programs. Whatever came from outside passes through
 * text_escape before it reaches a terminal. */
#include "app/cli.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/fs.h"
#include "http/message.h"

#include <unistd.h>

#define CELL_MAX 400
#define COLUMNS_MAX 12
#define INPUT_MAX (32u << 20)

const char *cli_color(const struct cli *c, const char *name)
{
    static const char *const codes[][2] = {{"red", "\033[31m"},    {"green", "\033[32m"},
                                           {"yellow", "\033[33m"}, {"dim", "\033[2m"},
                                           {"bold", "\033[1m"},    {"off", "\033[0m"}};
    if (!c->terminal || getenv("NO_COLOR"))
        return "";
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (strcmp(codes[i][0], name) == 0)
            return codes[i][1];
    return "";
}

void cli_print_text(str text)
{
    struct buf out;
    buf_init(&out, text.n * 8 + 64);
    str rest = text;
    while (rest.p) {
        str line = str_cut(&rest, '\n');
        text_escape(&out, line, line.n);
        if (rest.p)
            buf_char(&out, '\n');
    }
    fwrite(buf_str(&out).p, 1, out.len, stdout);
    buf_release(&out);
}

int cli_print_answer(int status, str body)
{
    printf("%d %s\n", status, http_status_text(status));
    cli_print_text(body);
    if (body.n && !str_ends(body, STR("\n")))
        putchar('\n');
    return status < 300 ? CLI_OK : status == 401 ? CLI_AUTH : CLI_FAILED;
}

void cli_short_time(str rfc3339, char out[24])
{
    int64_t ms, now = clock_wall_ms(clock_real());
    char text[CLOCK_TEXT_MAX];
    out[0] = '-';
    out[1] = 0;
    if (rfc3339.n == 0 || !clock_parse(rfc3339, &ms))
        return;
    str full = clock_format(ms, text);
    if (now - ms < 86400000 && now / 86400000 == ms / 86400000)
        snprintf(out, 24, STR_FMT, STR_ARG(str_slice(full, 11, 19)));
    else
        snprintf(out, 24, STR_FMT " " STR_FMT, STR_ARG(str_slice(full, 5, 10)),
                 STR_ARG(str_slice(full, 11, 16)));
}

/* A cell's text: times shortened, objects like {"dead":1} as "1 dead". */
static str cell_text(struct cli *c, const struct json *row, const struct cli_column *column)
{
    const struct json *v = json_path(row, str_from_cstr(column->path));
    struct buf out;
    buf_init(&out, CELL_MAX * 8);
    if (json_kind_of(v) == JSON_OBJECT) {
        struct json_iter it = {0};
        while (json_next(v, &it))
            buf_printf(&out, "%s" STR_FMT " " STR_FMT, out.len ? ", " : "",
                       STR_ARG(json_text(&c->arena, it.value)), STR_ARG(it.key));
    } else if (json_kind_of(v) == JSON_ARRAY) {
        struct json_iter it = {0};
        while (json_next(v, &it))
            buf_printf(&out, "%s" STR_FMT, out.len ? ", " : "",
                       STR_ARG(json_text(&c->arena, it.value)));
    } else {
        int64_t ms;
        char time[24];
        str text = json_text(&c->arena, v);
        if (json_kind_of(v) == JSON_STRING && text.n == 24 && clock_parse(text, &ms)) {
            cli_short_time(text, time);
            text = str_from_cstr(time);
        }
        text_escape(&out, text, CELL_MAX);
    }
    str cell = arena_str(&c->arena, buf_str(&out));
    buf_release(&out);
    if (column->width_max && cell.n > column->width_max)
        return arena_printf(&c->arena, STR_FMT "...",
                            STR_ARG(str_slice(cell, 0, column->width_max - 3)));
    return cell.p ? cell : STR("");
}

static void print_line(struct cli *c, const str *cells, const size_t *widths, size_t count,
                       const char *color)
{
    fputs(cli_color(c, color), stdout);
    for (size_t i = 0; i < count; i++) {
        fwrite(cells[i].p, 1, cells[i].n, stdout);
        for (size_t n = cells[i].n; i + 1 < count && n < widths[i] + 2; n++)
            putchar(' ');
    }
    fputs(cli_color(c, "off"), stdout);
    putchar('\n');
}

static void print_table(struct cli *c, const struct json *array, const struct cli_column *columns,
                        size_t count)
{
    size_t rows = json_len(array), widths[COLUMNS_MAX] = {0}, r = 0;
    assert(count <= COLUMNS_MAX);
    str *cells = ARENA_ARRAY(&c->arena, str, (rows + 1) * count);
    for (size_t i = 0; i < count; i++) {
        cells[i] = str_from_cstr(columns[i].title);
        widths[i] = cells[i].n;
    }
    struct json_iter it = {0};
    while (json_next(array, &it)) {
        r++;
        for (size_t i = 0; i < count; i++) {
            str cell = cells[r * count + i] = cell_text(c, it.value, &columns[i]);
            if (cell.n > widths[i])
                widths[i] = cell.n;
        }
    }
    print_line(c, cells, widths, count, "dim");
    for (size_t i = 1; i <= r; i++)
        print_line(c, cells + i * count, widths, count, "off");
    if (r == 0)
        puts("(none)");
}

static void print_value(const struct json *v)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 256u << 20);
    json_writer_init(&w, &out);
    json_value(&w, v);
    buf_char(&out, '\n');
    fwrite(buf_str(&out).p, 1, out.len, stdout);
    buf_release(&out);
}

void cli_print_json(struct cli *c, const struct json *value)
{
    UNUSED(c);
    print_value(value);
}

void cli_print_rows(struct cli *c, const struct json *array, const struct cli_column *columns,
                    size_t column_count)
{
    struct json_iter it = {0};
    switch (c->output) {
    case CLI_TABLE:
        print_table(c, array, columns, column_count);
        return;
    case CLI_JSON:
        print_value(array);
        return;
    case CLI_JSONL:
        while (json_next(array, &it))
            print_value(it.value);
        return;
    case CLI_ID:
        while (json_next(array, &it)) {
            str id = json_str(json_get(it.value, STR("id")));
            printf(STR_FMT "\n", STR_ARG(id.n ? id : json_str(json_get(it.value, STR("name")))));
        }
        return;
    }
}

bool cli_read_input(struct cli *c, const char *path, str *out)
{
    struct reason why = {0};
    if (path && strcmp(path, "-") != 0) {
        if (fs_read(&c->arena, path, INPUT_MAX, out, &why) == ERR_OK)
            return true;
        cli_error(CLI_FAILED, "%s", why.text);
        return false;
    }
    struct buf in;
    char chunk[65536];
    ssize_t n;
    buf_init(&in, INPUT_MAX);
    while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0)
        buf_append(&in, chunk, (size_t)n);
    if (n < 0 || !buf_ok(&in))
        cli_error(CLI_FAILED,
                  n < 0 ? "cannot read standard input" : "standard input is larger than 32 MiB");
    *out = arena_str(&c->arena, buf_str(&in));
    bool ok = n == 0 && buf_ok(&in) && out->p;
    buf_release(&in);
    return ok;
}
