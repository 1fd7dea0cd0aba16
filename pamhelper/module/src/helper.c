#include "tandem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>

/* How long a helper may take to end after its work is done. */
#define GRACE_MS 1000

/* above_stdio moves fd to 3 or higher: the application may have closed 0, 1 or 2. */
static int above_stdio(int fd)
{
	if (fd < 0 || fd > 2)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return moved;
}

static void close_from(unsigned first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
		return;
#endif
	struct rlimit limit;
	unsigned end = 65536;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY)
		end = (unsigned)limit.rlim_max;
	for (unsigned fd = first; fd < end; fd++)
		close((int)fd);
}

/* A user sets limits before calling sudo; they must not be able to starve the helper. */
static void reset_limits(void)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, no_core = {0, 0}, files = {1024, 4096};
	(void)setrlimit(RLIMIT_AS, &none);
	(void)setrlimit(RLIMIT_CPU, &none);
	(void)setrlimit(RLIMIT_DATA, &none);
	(void)setrlimit(RLIMIT_FSIZE, &none);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CORE, &no_core);
}

/*
 * child becomes the helper. The application may have had threads, so only async-signal-safe calls are
 * made here. The helper leaves the terminal's session: Ctrl-C at a prompt is the application's
 * matter, and must not look like a helper that crashed.
 */
static _Noreturn void child(const char *path, int socket, int null)
{
	struct sigaction standard;
	memset(&standard, 0, sizeof standard);
	standard.sa_handler = SIG_DFL;
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &standard, NULL);
	sigset_t nothing;
	sigemptyset(&nothing);
	sigprocmask(SIG_SETMASK, &nothing, NULL);

	if (dup2(socket, 0) < 0 || dup2(socket, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	close_from(3);
	(void)setsid();
	reset_limits();
	umask(077);
	/* Under sudo the real user is still the one who called it. */
	uid_t uid = geteuid();
	gid_t gid = getegid();
	if (chdir("/") != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		_exit(127);

	char *const argv[] = {(char *)(uintptr_t)path, NULL};
	char *const envp[] = {(char *)(uintptr_t)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)(uintptr_t)"LANG=C.UTF-8", NULL};
	execve(path, argv, envp);
	_exit(127);
}

/* spawn forks with every signal blocked, so that no handler of the application runs in the child. */
static pid_t spawn(const char *path, int socket, int null)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		child(path, socket, null);
	int why = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = why;
	return pid;
}

/* helper_start starts the helper with one end of a socket pair as its standard input and output. */
int helper_start(pam_handle_t *pamh, const char *path, int *fd, pid_t *pid)
{
	if (!trusted_helper(pamh, path))
		return PAM_AUTHINFO_UNAVAIL;
	int pair[2], rc = PAM_AUTH_ERR; /* what fails from here on fails by a resource limit */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		pam_syslog(pamh, LOG_ERR, "make a socket pair: %s", strerror(errno));
		return rc;
	}
	pair[0] = above_stdio(pair[0]);
	pair[1] = above_stdio(pair[1]);
	int null = above_stdio(open("/dev/null", O_RDWR | O_CLOEXEC));
	*pid = -1;
	if (pair[0] >= 0 && pair[1] >= 0 && null >= 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
		*pid = spawn(path, pair[1], null);
	if (*pid > 0) {
		*fd = pair[0];
		rc = PAM_SUCCESS;
	} else {
		pam_syslog(pamh, LOG_ERR, "start the helper %s: %s", path, strerror(errno));
		if (pair[0] >= 0)
			close(pair[0]);
	}
	if (pair[1] >= 0)
		close(pair[1]);
	if (null >= 0)
		close(null);
	return rc;
}

/*
 * helper_end waits for the helper to end, and kills it if it does not (at_once: without waiting). Its exit
 * status means nothing: the result comes in a frame or not at all.
 *
 * The application's handler of SIGCHLD stays in force, so that it misses none of its own children; the
 * signal is only blocked here, so that the handler cannot reap our child between the look and the
 * kill, after which the number might be another process's. If it reaped it earlier, there is no
 * such child any more (ECHILD), and that is fine too.
 */
void helper_end(pid_t pid, bool at_once)
{
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);

	int64_t deadline = now_ms() + (at_once ? 0 : GRACE_MS);
	long pause_ms = 1;
	for (;;) {
		pid_t ended = waitpid(pid, NULL, WNOHANG);
		if (ended == pid || (ended < 0 && errno != EINTR))
			break;
		if (now_ms() >= deadline) {
			kill(pid, SIGKILL);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
				;
			break;
		}
		struct timespec pause = {.tv_nsec = pause_ms * 1000000};
		nanosleep(&pause, NULL);
		if (pause_ms < 32)
			pause_ms *= 2;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}
