/* A disk that fails: the n-th rename, fsync, or commit of SQLite kills the process, or fails.

   Loaded with LD_PRELOAD. A commit is the removal of the journal. On a full disk the calls after
   the n-th fail, too, and so does every write to a file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static long calls, fault;
static int error;

/* Count from 0; call number `at` fails with `number`, or ends the process if that is 0. */
void arm_disk(long at, int number) {
    calls = 0, fault = at, error = number;
}

long disk_calls(void) { return calls; }

static int is_full(void) { return fault && error == ENOSPC && calls >= fault; }

static int fails(void) {
    calls++;
    if (calls != fault && !is_full()) return 0;
    if (!error) kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int has_no_room(int file) {
    struct stat found;
    int is_file = file > 2 && !fstat(file, &found) && S_ISREG(found.st_mode);
    if (is_file && is_full()) errno = ENOSPC;
    return is_file && is_full();
}

#define REAL(name) __typeof__(name) *real = dlsym(RTLD_NEXT, #name)

int fsync(int file) {
    REAL(fsync);
    return fails() ? -1 : real(file);
}

int fdatasync(int file) {
    REAL(fdatasync);
    return fails() ? -1 : real(file);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return fails() ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    const char *end = strrchr(path, '-');
    int is_commit = end && !strcmp(end, "-journal");
    return is_commit && fails() ? -1 : real(path);
}

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write);
    return has_no_room(file) ? -1 : real(file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    REAL(pwrite64);
    return has_no_room(file) ? -1 : real(file, bytes, count, at);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
    REAL(sendfile64);
    return has_no_room(to) ? -1 : real(to, from, at, count);
}

ssize_t sendfile(int to, int from, off_t *at, size_t count) {
    REAL(sendfile);
    return has_no_room(to) ? -1 : real(to, from, at, count);
}
