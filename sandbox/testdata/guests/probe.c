/*
 * probe: a WASI command that tries what a guest may do to the machine. Its standard input holds one request a line; it answers
 * each with one line, which begins with "ok" or with the name of the error.
 *
 *   args | env NAME | random | clock | sleep MS | read PATH | write PATH TEXT | append PATH TEXT | list PATH
 *   open PATH N (as often, without closing: how often it worked) | mkdir PATH | remove PATH | rename OLD NEW | symlink TARGET PATH | link OLD NEW
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void result(int rc) {
    if (rc >= 0) puts("ok");
    else printf("%s\n", strerror(errno));
}

static long long now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void read_file(const char *path) {
    char text[256];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0) {
        result(-1);
    } else {
        text[n] = 0;
        printf("ok %s\n", text);
    }
    if (fd >= 0) close(fd);
}

static void write_file(const char *path, const char *text, int flags) {
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    result(n < 0 ? -1 : 0);
    if (fd >= 0) close(fd);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path) {
    char *names[64];
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        result(-1);
        return;
    }
    for (struct dirent *e; n < 64 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) names[n++] = strdup(e->d_name);
    closedir(dir);
    qsort(names, (size_t)n, sizeof *names, by_name);
    printf("ok");
    for (int i = 0; i < n; i++) printf(" %s", names[i]);
    puts("");
}

int main(int argc, char **argv) {
    static char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        char *request = strtok(line, " \n"), *a = strtok(0, " \n"), *b = strtok(0, "\n");
        if (!request) continue;
        if (!a) a = "";
        if (!b) b = "";
        if (!strcmp(request, "args")) {
            printf("ok");
            for (int i = 0; i < argc; i++) printf(" [%s]", argv[i]);
            puts("");
        } else if (!strcmp(request, "env")) {
            const char *value = getenv(a);
            if (value) printf("ok %s\n", value);
            else puts("unset");
        } else if (!strcmp(request, "random")) {
            unsigned char bytes[16];
            if (getentropy(bytes, sizeof bytes)) {
                result(-1);
                continue;
            }
            printf("ok ");
            for (size_t i = 0; i < sizeof bytes; i++) printf("%02x", bytes[i]);
            puts("");
        } else if (!strcmp(request, "clock")) {
            printf("ok %lld %lld\n", now(CLOCK_REALTIME), now(CLOCK_MONOTONIC));
        } else if (!strcmp(request, "sleep")) {
            long long ms = atoll(a);
            struct timespec t = {ms / 1000, ms % 1000 * 1000000};
            result(nanosleep(&t, 0));
        } else if (!strcmp(request, "read")) {
            read_file(a);
        } else if (!strcmp(request, "write")) {
            write_file(a, b, O_TRUNC);
        } else if (!strcmp(request, "append")) {
            write_file(a, b, O_APPEND);
        } else if (!strcmp(request, "open")) {
            int n = 0, most = atoi(b);
            while (n < most && open(a, O_RDONLY) >= 0) n++;
            if (n < most) printf("%d %s\n", n, strerror(errno));
            else printf("ok %d\n", n);
        } else if (!strcmp(request, "list")) {
            list(a);
        } else if (!strcmp(request, "mkdir")) {
            result(mkdir(a, 0700));
        } else if (!strcmp(request, "remove")) {
            result(remove(a));
        } else if (!strcmp(request, "rename")) {
            result(rename(a, b));
        } else if (!strcmp(request, "symlink")) {
            result(symlink(a, b));
        } else if (!strcmp(request, "link")) {
            result(link(a, b));
        } else {
            puts("what?");
        }
    }
    return 0;
}
