#include "tandem.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

/* Root, and the user whose rights this process has, could do anything to it anyway. */
static bool ours(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static bool plain_component(const char *name, size_t len)
{
	return len > 0 && !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

/*
 * trusted_folders checks every folder above path: nobody but root, the process's own user and
 * (service_may_own) the service that root gave the innermost folder to may be able to exchange what
 * stands at path. A folder that others may write to, such as /tmp, must be sticky and cannot be the
 * innermost one. *owner is whose the innermost folder is.
 */
bool trusted_folders(pam_handle_t *pamh, const char *path, bool service_may_own, uid_t *owner)
{
	char folder[PATH_MAX];
	size_t length = strlen(path);
	if (path[0] != '/' || length >= sizeof folder) {
		pam_syslog(pamh, LOG_ERR, "%s: not an absolute path", path);
		return false;
	}
	bool open_above = false; /* may others make entries in the folder above? */
	for (const char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
		const char *next = strchr(slash + 1, '/');
		size_t component = next == NULL ? strlen(slash + 1) : (size_t)(next - slash - 1);
		if (!plain_component(slash + 1, component)) {
			pam_syslog(pamh, LOG_ERR, "%s: write the path without \"//\", \".\", \"..\" and a \"/\" at its end", path);
			return false;
		}
		size_t n = slash == path ? 1 : (size_t)(slash - path);
		memcpy(folder, path, n);
		folder[n] = '\0';

		struct stat st;
		if (stat(folder, &st) != 0) {
			pam_syslog(pamh, LOG_ERR, "%s: look at %s: %s", path, folder, strerror(errno));
			return false;
		}
		bool innermost = next == NULL;
		if (!ours(st.st_uid) && !(innermost && service_may_own && !open_above)) {
			pam_syslog(pamh, LOG_ERR, "%s is not trusted: %s belongs to user id %lu", path, folder, (unsigned long)st.st_uid);
			return false;
		}
		bool open = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
		if (open && (innermost || (st.st_mode & S_ISVTX) == 0)) {
			pam_syslog(pamh, LOG_ERR, "%s is not trusted: others may write to the folder %s", path, folder);
			return false;
		}
		open_above = open;
		*owner = st.st_uid;
	}
	return true;
}

/*
 * trusted_socket: the socket belongs to root, to us or to the service whose folder it stands in. Its
 * own mode says only who may connect, and any user's screen locker may: 0666 is right.
 */
bool trusted_socket(pam_handle_t *pamh, const char *path, uid_t *owner)
{
	uid_t folder;
	if (!trusted_folders(pamh, path, true, &folder))
		return false;
	struct stat st;
	if (lstat(path, &st) != 0) {
		pam_syslog(pamh, LOG_ERR, "%s: %s; does tandemd run?", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		pam_syslog(pamh, LOG_ERR, "%s is not trusted: it is not a socket", path);
		return false;
	}
	if (!ours(st.st_uid) && st.st_uid != folder) {
		pam_syslog(pamh, LOG_ERR, "%s is not trusted: it belongs to user id %lu", path, (unsigned long)st.st_uid);
		return false;
	}
	*owner = st.st_uid;
	return true;
}

/* trusted_helper: only root could have put this program there. */
bool trusted_helper(pam_handle_t *pamh, const char *path)
{
	uid_t folder;
	if (!trusted_folders(pamh, path, false, &folder))
		return false;
	struct stat st;
	if (lstat(path, &st) != 0) {
		pam_syslog(pamh, LOG_ERR, "helper %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		pam_syslog(pamh, LOG_ERR, "helper %s is not trusted: it must be a file that belongs to root and that nobody else may write to", path);
		return false;
	}
	return true;
}

/* trusted_peer: who listens is root or the socket's owner. */
bool trusted_peer(pam_handle_t *pamh, int fd, uid_t owner)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
		pam_syslog(pamh, LOG_ERR, "ask who is at the other end of the socket: %s", strerror(errno));
		return false;
	}
	if (peer.uid != 0 && peer.uid != owner) {
		pam_syslog(pamh, LOG_ERR, "the socket belongs to user id %lu, but user id %lu listens: not trusted", (unsigned long)owner, (unsigned long)peer.uid);
		return false;
	}
	return true;
}
