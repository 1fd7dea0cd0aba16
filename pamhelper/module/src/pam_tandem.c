#include "tandem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#define EXPORT __attribute__((visibility("default")))

/* exchange_new makes an exchange in pages of its own, which no core dump shows. */
static struct exchange *exchange_new(pam_handle_t *pamh, unsigned flags, const struct options *opt)
{
	struct exchange *x = mmap(NULL, sizeof *x, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x == MAP_FAILED)
		return NULL;
	(void)madvise(x, sizeof *x, MADV_DONTDUMP);
	int64_t timeout = (int64_t)opt->timeout * 1000;
	x->pamh = pamh;
	x->opt = opt;
	x->flags = flags;
	x->fd = -1;
	x->deadline = now_ms() + timeout;
	/* A quarter is kept for the server, so that slow typing cannot make it look dead. */
	x->user_deadline = x->deadline - timeout / 4;
	return x;
}

static void exchange_free(struct exchange *x)
{
	if (x->fd >= 0)
		close(x->fd);
	explicit_bzero(x, sizeof *x);
	munmap(x, sizeof *x);
}

static int authenticate(struct exchange *x)
{
	const struct options *opt = x->opt;
	const char *user;
	/* Before the server waits: the application may have to ask for the name. */
	if (pam_get_user(x->pamh, &user, NULL) != PAM_SUCCESS || now_ms() >= x->user_deadline)
		return PAM_AUTH_ERR;
	if (opt->helper == NULL) {
		int rc = socket_open(x->pamh, opt->socket, x->deadline, &x->fd);
		return rc == PAM_SUCCESS ? exchange_run(x) : rc;
	}
	pid_t helper;
	int rc = helper_start(x->pamh, opt->helper, &x->fd, &helper);
	if (rc != PAM_SUCCESS)
		return rc;
	rc = exchange_run(x);
	close(x->fd);
	x->fd = -1;
	helper_end(helper, now_ms() >= x->deadline);
	return rc;
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct options opt;
	if (!options_parse(pamh, argc, argv, &opt))
		return PAM_AUTHINFO_UNAVAIL;
	struct exchange *x = exchange_new(pamh, (unsigned)flags, &opt);
	if (x == NULL) {
		pam_syslog(pamh, LOG_ERR, "no memory: %s", strerror(errno));
		return PAM_AUTH_ERR;
	}
	if (opt.debug)
		pam_syslog(pamh, LOG_DEBUG, "asking %s, flags 0x%x, timeout %d s", opt.helper != NULL ? opt.helper : opt.socket, (unsigned)flags, opt.timeout);
	int rc = authenticate(x);
	exchange_free(x);
	if (opt.debug)
		pam_syslog(pamh, LOG_DEBUG, "result: %s", pam_strerror(pamh, rc));
	return rc;
}

/*
 * pam_sm_setcred: there are no credentials to set. Success, because libpam asks the modules of the
 * auth stack again here, and a success at authentication must not turn into a failure.
 */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}

/*
 * Accounts, sessions and passwords are not our business. PAM_IGNORE says so: put into such a stack by
 * mistake, the module neither opens nor closes it, and a stack of nothing else denies.
 */
EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}
