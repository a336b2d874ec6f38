// A WASI command that does what its arguments say: a command and what it takes,
// again and again. It prints one line for each: what it read, "ok", or "errno"
// and the number that WASI gave it.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

static void put(const char *s) { write(1, s, strlen(s)); }

static void put_number(long long n) {
  char buf[24];
  char *p = buf + sizeof buf;
  *--p = 0;
  do {
    *--p = '0' + n % 10;
    n /= 10;
  } while (n > 0);
  put(p);
}

static void done(int result) {
  if (result >= 0) {
    put("ok\n");
    return;
  }
  put("errno ");
  put_number(errno);
  put("\n");
}

static int write_file(const char *path, int flags, const char *text) {
  int fd = open(path, flags, 0644);
  if (fd < 0)
    return -1;
  ssize_t n = write(fd, text, strlen(text));
  int failed = errno;
  close(fd);
  errno = failed;
  return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void read_file(int dir, const char *path) {
  int fd = openat(dir, path, O_RDONLY);
  char buf[512];
  ssize_t n;
  if (fd < 0) {
    done(-1);
    return;
  }
  while ((n = read(fd, buf, sizeof buf)) > 0)
    write(1, buf, n);
  close(fd);
  n < 0 ? done(-1) : put("\n");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

// list prints names, sorted, or with quiet only how many there are.
static void list(const char *path, int quiet) {
  DIR *d = opendir(path);
  if (!d) {
    done(-1);
    return;
  }
  static char *names[4096];
  int n = 0;
  for (struct dirent *e; n < 4096 && (e = readdir(d));)
    if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
      names[n++] = strdup(e->d_name);
  closedir(d);
  if (quiet) {
    put_number(n);
    put("\n");
    return;
  }
  qsort(names, n, sizeof *names, by_name);
  for (int i = 0; i < n; i++) {
    put(i ? " " : "");
    put(names[i]);
  }
  put("\n");
}

static void stat_file(const char *path, int (*look)(const char *, struct stat *)) {
  struct stat st;
  if (look(path, &st) < 0) {
    done(-1);
    return;
  }
  put(S_ISDIR(st.st_mode) ? "folder" : S_ISLNK(st.st_mode) ? "link" : S_ISREG(st.st_mode) ? "file" : "other");
  if (S_ISREG(st.st_mode)) {
    put(" ");
    put_number(st.st_size);
  }
  put("\n");
}

// raw opens a path below the first folder that the host gave, past libc.
static void raw(const char *path) {
  __wasi_fd_t fd;
  __wasi_errno_t e = __wasi_path_open(3, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd);
  if (!e)
    close(fd);
  errno = e;
  done(e ? -1 : 0);
}

// hunt reads a file again and again and says what it saw: which first bytes, and
// whether it failed.
static void hunt(const char *path, int times) {
  char seen[256] = {0};
  int failed = 0;
  while (times-- > 0) {
    char c;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || read(fd, &c, 1) != 1)
      failed = 1;
    else
      seen[(unsigned char)c] = 1;
    if (fd >= 0)
      close(fd);
  }
  for (int c = 0; c < 256; c++)
    if (seen[c])
      write(1, &(char){c}, 1);
  put(failed ? " failed\n" : "\n");
}

// hoard opens a file until that fails and prints how often it did not.
static void hoard(const char *path) {
  int n = 0;
  while (open(path, O_RDONLY) >= 0)
    n++;
  put_number(n);
  put("\n");
}

// edit does what takes one descriptor: a hole, a position, appending, a size.
static int edit(const char *path) {
  char buf[4];
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, "abcdef", 6) != 6 || lseek(fd, 1, SEEK_SET) != 1 || write(fd, "B", 1) != 1)
    return -1;
  if (fcntl(fd, F_SETFL, O_APPEND) < 0 || write(fd, "g", 1) != 1 || lseek(fd, 0, SEEK_CUR) != 7)
    return -1;
  if (fcntl(fd, F_SETFL, 0) < 0 || pwrite(fd, "j", 1, 9) != 1 || pread(fd, buf, 4, 6) != 4 || memcmp(buf, "g\0\0j", 4))
    return -1;
  struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
  struct stat st;
  if (ftruncate(fd, 7) < 0 || fsync(fd) < 0 || fdatasync(fd) < 0 || futimens(fd, times) < 0 || fstat(fd, &st) < 0)
    return -1;
  if (st.st_size != 7 || st.st_mtim.tv_sec != 2000 || st.st_atim.tv_sec != 1000)
    return -1;
  return close(fd);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc;) {
    const char *command = argv[i++];
    const char *a = i < argc ? argv[i++] : "";
    int takes_two = strchr("wxarmlsh", command[0]) != 0;
    const char *b = takes_two && i < argc ? argv[i++] : "";
    switch (command[0]) {
    case 'w': done(write_file(a, O_WRONLY | O_CREAT | O_TRUNC, b)); break;
    case 'x': done(write_file(a, O_WRONLY | O_CREAT | O_EXCL, b)); break;
    case 'a': done(write_file(a, O_WRONLY | O_APPEND, b)); break;
    case 'r': { // below an open folder
      int fd = open(a, O_RDONLY | O_DIRECTORY);
      fd < 0 ? done(-1) : read_file(fd, b);
      close(fd);
      break;
    }
    case 'c': read_file(AT_FDCWD, a); break;
    case 'm': done(rename(a, b)); break;
    case 'l': done(link(a, b)); break;
    case 's': done(symlink(a, b)); break;
    case 'h': hunt(a, atoi(b)); break;
    case 'R': {
      char buf[512];
      ssize_t n = readlink(a, buf, sizeof buf);
      n < 0 ? done(-1) : (write(1, buf, n), put("\n"));
      break;
    }
    case 'u': done(unlink(a)); break;
    case 'd': done(mkdir(a, 0755)); break;
    case 'D': done(rmdir(a)); break;
    case 't': stat_file(a, stat); break;
    case 'T': stat_file(a, lstat); break;
    case 'L': list(a, 0); break;
    case 'N': list(a, 1); break;
    case 'e': done(edit(a)); break;
    case 'o': raw(a); break;
    case 'H': hoard(a); break;
    default: return 2;
    }
  }
  return 0;
}
