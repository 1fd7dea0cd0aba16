/*
 * A helper for the tests. What it does is its own name: ok, crash, leave, hang, linger, report.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void frame(int type, const void *payload, size_t len)
{
	unsigned char out[1024] = {(unsigned char)type, 0, 0, (unsigned char)(len >> 8), (unsigned char)len};
	memcpy(out + 5, payload, len);
	if (write(1, out, 5 + len) < 0)
		_exit(1);
}

static void info(const char *text) { frame(0x83, text, strlen(text)); }

/* report tells of everything that a process inherits. */
static void report(void)
{
	char text[512];
	for (char **e = environ; *e != NULL; e++) {
		snprintf(text, sizeof text, "env %s", *e);
		info(text);
	}
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
		if (e->d_name[0] != '.' && atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(d)) {
			snprintf(text, sizeof text, "descriptor %s", e->d_name);
			info(text);
		}
	}
	sigset_t mask;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < 32; s++) {
		struct sigaction a;
		if (sigismember(&mask, s) == 1 || (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL)) {
			snprintf(text, sizeof text, "signal %d", s);
			info(text);
		}
	}
	struct rlimit core, files;
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	char cwd[256] = "";
	if (getcwd(cwd, sizeof cwd) == NULL)
		cwd[0] = '\0';
	snprintf(text, sizeof text, "cwd %s, leader %d, core %lu, files %lu", cwd, getsid(0) == getpid(), (unsigned long)core.rlim_max, (unsigned long)files.rlim_cur);
	info(text);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char hello[16384];
	(void)argc;
	if (name == NULL || read(0, hello, sizeof hello) < 6 || hello[0] != 1)
		return 1;
	name++;
	if (strcmp(name, "crash") == 0)
		abort();
	if (strcmp(name, "leave") == 0)
		return 0;
	if (strcmp(name, "hang") == 0)
		pause();
	if (strcmp(name, "report") == 0)
		report();
	if (strcmp(name, "ok") == 0) {
		frame(0x81, "Password: ", 10);
		if (read(0, hello, sizeof hello) != 10 || hello[0] != 2 || memcmp(hello + 5, "right", 5) != 0)
			return 1;
	}
	frame(0x89, "\0\0\0\0", 4);
	if (strcmp(name, "linger") == 0)
		for (;;)
			pause();
	return 0;
}
