#include "tandem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

/* A connect may block while the daemon's queue is full. */
static int connect_before(int fd, const struct sockaddr_un *to, int64_t deadline)
{
	int rc;
	do {
		int64_t left = deadline - now_ms();
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		struct timeval tv = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) != 0)
			return -1;
		rc = connect(fd, (const struct sockaddr *)to, sizeof *to);
	} while (rc != 0 && errno == EINTR);
	return rc;
}

/*
 * socket_open connects to the daemon. "Nobody listens" is PAM_AUTHINFO_UNAVAIL; what a resource limit
 * or a crowd of logins can bring about is not.
 */
int socket_open(pam_handle_t *pamh, const char *path, int64_t deadline, int *fd)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	uid_t owner;
	if (strlen(path) >= sizeof to.sun_path) {
		pam_syslog(pamh, LOG_ERR, "%s: a socket's path has at most %zu octets", path, sizeof to.sun_path - 1);
		return PAM_AUTHINFO_UNAVAIL;
	}
	if (!trusted_socket(pamh, path, &owner))
		return PAM_AUTHINFO_UNAVAIL;
	strcpy(to.sun_path, path);

	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0) {
		pam_syslog(pamh, LOG_ERR, "make a socket: %s", strerror(errno));
		return PAM_AUTH_ERR;
	}
	if (connect_before(s, &to, deadline) != 0) {
		int why = errno;
		pam_syslog(pamh, LOG_ERR, "connect to %s: %s; does tandemd run?", path, strerror(why));
		close(s);
		return why == ECONNREFUSED || why == ENOENT || why == EACCES ? PAM_AUTHINFO_UNAVAIL : PAM_AUTH_ERR;
	}
	if (!trusted_peer(pamh, s, owner) || fcntl(s, F_SETFL, O_NONBLOCK) != 0) {
		close(s);
		return PAM_AUTHINFO_UNAVAIL;
	}
	*fd = s;
	return PAM_SUCCESS;
}
