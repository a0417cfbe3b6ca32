/* embed.c -- prints a C file with the bytes of the given files as a table of base/embed.h.
 *
 *   embed raw TABLE FILE... > web_gen.c          struct embedded TABLE_files[], TABLE_count
 *   embed packed FILE... > presets_gen.c         struct packed packed_files[], packed_count
 *
 * Packed files are texts much alike (byte pair encoding, P. Gage 1994): the pair of codes that
 * stands next to each other most often gets a code of its own, until all codes are given away or
 * none is worth it. Each file is a run of codes by itself and is read without the others.
 *
 * Built and called by the Makefile with the compiler of the build machine; plain C, no library.
 * A file's name in the table is its path after "presets/", "src/store/" or "bundle/". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODES 4096 /* of 12 bits: the bytes first, then the pairs */
#define WORTH 4    /* a pair costs four bytes, and saves one and a half each time */

struct file {
    const char *name;
    size_t at, n; /* of its codes in `codes` */
    size_t bytes;
};

static uint16_t *codes; /* of all files, one behind the other */
static uint16_t pairs[CODES][2];
static unsigned known = 256;
static uint32_t seen[CODES * CODES]; /* how often a pair of codes is there */

static void *must(void *p)
{
    if (p != NULL)
        return p;
    fputs("embed: no memory\n", stderr);
    exit(1);
}

static const char *table_name(const char *path)
{
    static const char *const roots[] = {"presets/", "src/store/", "bundle/"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        const char *root = strstr(path, roots[i]);
        if (root != NULL)
            return root + strlen(roots[i]);
    }
    return path;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(table_name(*x), table_name(*y));
}

static unsigned char *read_file(const char *path, size_t *n)
{
    unsigned char *bytes = NULL;
    size_t cap = 0;
    FILE *in = fopen(path, "rb");
    *n = 0;
    while (in != NULL && !feof(in) && !ferror(in)) {
        if (*n == cap)
            bytes = must(realloc(bytes, cap = cap ? 2 * cap : 65536));
        *n += fread(bytes + *n, 1, cap - *n, in);
    }
    if (in == NULL || ferror(in)) {
        perror(path);
        exit(1);
    }
    fclose(in);
    return bytes;
}

/* What is not plain ASCII goes as three octal digits: no locale, no trigraph and no digit that
 * follows can change its meaning. */
static void print_bytes(const unsigned char *bytes, size_t n)
{
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        int c = bytes[i];
        if (c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '?')
            putchar(c);
        else
            printf("\\%03o", (unsigned)c);
        if (i % 80 == 79)
            printf("\"\n\"");
    }
    puts("\";");
}

/* ---- packing ---- */

/* The pair that is there most often; false when none is worth a code. One that overlaps itself is
 * counted more often than it can be taken, which costs little. */
static int find_pair(const struct file *files, size_t count, uint32_t *best)
{
    static uint32_t met[CODES * CODES];
    size_t n = 0;
    *best = 0;
    for (size_t f = 0; f < count; f++)
        for (size_t i = files[f].at; i + 1 < files[f].at + files[f].n; i++) {
            uint32_t pair = (uint32_t)codes[i] * CODES + codes[i + 1];
            if (seen[pair]++ == 0)
                met[n++] = pair;
            if (seen[pair] > seen[*best])
                *best = pair;
        }
    int worth = seen[*best] >= WORTH;
    while (n > 0)
        seen[met[--n]] = 0;
    return worth;
}

static void put_code(struct file *f, const uint16_t pair[2], uint16_t code)
{
    size_t from = f->at, end = f->at + f->n, to = f->at;
    while (from < end) {
        int is = from + 1 < end && codes[from] == pair[0] && codes[from + 1] == pair[1];
        codes[to++] = is ? code : codes[from];
        from += is ? 2 : 1;
    }
    f->n = to - f->at;
}

static void pack(struct file *files, size_t count)
{
    uint32_t best;
    while (known < CODES && find_pair(files, count, &best)) {
        pairs[known][0] = (uint16_t)(best / CODES);
        pairs[known][1] = (uint16_t)(best % CODES);
        for (size_t f = 0; f < count; f++)
            put_code(&files[f], pairs[known], (uint16_t)known);
        known++;
    }
}

/* ---- printing ---- */

/* Two codes in three bytes, the low bits first. */
static void print_codes(const struct file *files, size_t count)
{
    size_t n = 0;
    for (size_t f = 0; f < count; f++)
        n += files[f].n;
    unsigned char *out = must(calloc(n / 2 * 3 + 3, 1));
    size_t at = 0;
    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < files[f].n; i++, at++) {
            unsigned code = codes[files[f].at + i], shift = at % 2 ? 4 : 0;
            unsigned char *p = out + at / 2 * 3 + at % 2;
            p[0] |= (unsigned char)(code << shift);
            p[1] |= (unsigned char)(code << shift >> 8);
        }
    printf("const unsigned char packed_codes[] =\n");
    print_bytes(out, n / 2 * 3 + 3);
    free(out);
}

static void print_packed(char **paths, size_t count)
{
    struct file *files = must(calloc(count + 1, sizeof *files));
    size_t total = 0;
    for (size_t f = 0; f < count; f++) {
        unsigned char *bytes = read_file(paths[f], &files[f].n);
        codes = must(realloc(codes, (total + files[f].n + 1) * sizeof *codes));
        files[f].name = table_name(paths[f]);
        files[f].at = total;
        files[f].bytes = files[f].n;
        for (size_t i = 0; i < files[f].n; i++)
            codes[total++] = bytes[i];
        free(bytes);
    }
    pack(files, count);
    print_codes(files, count);
    printf("const unsigned short packed_pairs[][2] = {\n");
    for (unsigned i = 256; i < known; i++)
        printf("{%u, %u},\n", pairs[i][0], pairs[i][1]);
    puts("{0, 0}};\nconst struct packed packed_files[] = {");
    size_t at = 0;
    for (size_t f = 0; f < count; at += files[f++].n)
        printf("    {\"%s\", %zu, %zu},\n", files[f].name, at, files[f].bytes);
    printf("    {0, 0, 0},\n};\nconst size_t packed_count = %zu;\n", count);
    free(files);
    free(codes);
}

static void print_raw(const char *table, char **paths, size_t count)
{
    size_t *lengths = must(calloc(count + 1, sizeof *lengths));
    for (size_t i = 0; i < count; i++) {
        unsigned char *bytes = read_file(paths[i], &lengths[i]);
        printf("static const char file_%zu[] = ", i);
        print_bytes(bytes, lengths[i]);
        free(bytes);
    }
    printf("\nconst struct embedded %s_files[] = {\n", table);
    for (size_t i = 0; i < count; i++)
        printf("    {\"%s\", file_%zu, %zu},\n", table_name(paths[i]), i, lengths[i]);
    puts("    {0, 0, 0},\n};");
    printf("const size_t %s_count = %zu;\n", table, count);
    free(lengths);
}

int main(int argc, char **argv)
{
    int raw = argc > 2 && strcmp(argv[1], "raw") == 0;
    if (!raw && (argc < 2 || strcmp(argv[1], "packed") != 0))
        return 2;
    char **paths = argv + 2 + raw;
    size_t count = (size_t)(argc - 2 - raw);
    qsort(paths, count, sizeof *paths, by_name);
    puts("/* Generated by scripts/embed.c; not to be edited. */\n#include \"base/embed.h\"\n");
    if (raw)
        print_raw(argv[2], paths, count);
    else
        print_packed(paths, count);
    return ferror(stdout) || fflush(stdout) != 0;
}
