#include "tandem.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#define MAX_NAME 1023     /* octets of a user's name; the core takes fewer */
#define MAX_ORIGIN 255    /* of remote host, terminal and service: the rest is cut off */
#define MAX_AUTH_INFO 8191 /* of SSH_AUTH_INFO_0: the rest is cut off */

/* A hello in the making. */
struct hello {
	struct exchange *x;
	size_t len;
	bool full;
};

/* add appends "key=value" and a NUL; of value at most limit octets. No value, no line. */
static void add(struct hello *h, const char *key, const char *value, size_t limit)
{
	if (value == NULL)
		return;
	size_t k = strlen(key), v = strnlen(value, limit);
	if (h->full || k + v + 2 >= FRAME_LIMIT - h->len) {
		h->full = true;
		return;
	}
	unsigned char *at = payload(h->x) + h->len;
	memcpy(at, key, k);
	at[k] = '=';
	memcpy(at + k + 1, value, v);
	at[k + 1 + v] = '\0';
	h->len += k + v + 2;
}

static void add_number(struct hello *h, const char *key, unsigned long n)
{
	char text[32];
	snprintf(text, sizeof text, "%lu", n);
	add(h, key, text, sizeof text);
}

static void add_flag(struct hello *h, const char *key, bool set)
{
	if (set)
		add(h, key, "1", 1);
}

static const char *item(const pam_handle_t *pamh, int which)
{
	const void *value = NULL;
	return pam_get_item(pamh, which, &value) == PAM_SUCCESS ? value : NULL;
}

static void add_options(struct hello *h, const struct options *opt)
{
	add(h, "policy", opt->policy, FRAME_LIMIT);
	add(h, "prompt", opt->prompt, FRAME_LIMIT);
	add(h, "code_prompt", opt->code_prompt, FRAME_LIMIT);
	add_flag(h, "echo_code", opt->echo_code);
	add_flag(h, "nullok", opt->nullok);
	add_flag(h, "try_first_pass", opt->try_first_pass);
	add_flag(h, "use_first_pass", opt->use_first_pass);
	add_flag(h, "forward_pass", opt->forward_pass);
	add_number(h, "timeout", (unsigned long)opt->timeout);
}

/* hello_write puts the hello into the frame in hand: a PAM code, and its length. */
int hello_write(struct exchange *x, size_t *len)
{
	struct hello h = {.x = x};
	const char *user = NULL, *authtok = NULL;
	if (pam_get_user(x->pamh, &user, NULL) != PAM_SUCCESS || user == NULL || strnlen(user, MAX_NAME + 1) > MAX_NAME)
		return PAM_AUTH_ERR;
	if (x->opt->try_first_pass || x->opt->use_first_pass)
		authtok = item(x->pamh, PAM_AUTHTOK);
	if (authtok != NULL && strnlen(authtok, MAX_SECRET + 1) > MAX_SECRET)
		return PAM_AUTH_ERR;

	add(&h, "version", PROTOCOL_VERSION, 16);
	add(&h, "action", "authenticate", 16);
	add_number(&h, "longest_prompt", MAX_PROMPT);
	add(&h, "user", user, MAX_NAME);
	add(&h, "service", item(x->pamh, PAM_SERVICE), MAX_ORIGIN);
	add(&h, "rhost", item(x->pamh, PAM_RHOST), MAX_ORIGIN);
	add(&h, "tty", item(x->pamh, PAM_TTY), MAX_ORIGIN);
	add(&h, "ruser", item(x->pamh, PAM_RUSER), MAX_ORIGIN);
	add_number(&h, "uid", getuid());
	add_number(&h, "flags", x->flags);
	/* What sshd says through PAM about the methods that went before; not the process's environment. */
	add(&h, "ssh_auth_info", pam_getenv(x->pamh, "SSH_AUTH_INFO_0"), MAX_AUTH_INFO);
	add_options(&h, x->opt);
	add(&h, "authtok", authtok, MAX_SECRET);
	if (h.full) { /* all that a person can lengthen is bounded, so it is the options */
		pam_syslog(x->pamh, LOG_ERR, "the options are too long");
		return PAM_AUTHINFO_UNAVAIL;
	}
	*len = h.len;
	return PAM_SUCCESS;
}
