#include "tandem.h"

#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

/* What a frame leads to: another frame, or the end. */
#define GO_ON (-1)

static int broken(const struct exchange *x, const char *what)
{
	pam_syslog(x->pamh, LOG_ERR, "the server does not keep to the protocol: %s", what);
	return PAM_AUTHINFO_UNAVAIL;
}

/* give_up tells the server that no answer comes, so that it counts no guess. */
static int give_up(struct exchange *x, int why)
{
	put_u32(payload(x), (uint32_t)why);
	(void)frame_send(x, FRAME_CONVERSATION_ERROR, 4);
	return PAM_AUTH_ERR;
}

/*
 * too_late: the application has kept us so long that the server may not have its time any more. What
 * then ran out would be the person's fault, and must not look like the server's.
 */
static bool too_late(const struct exchange *x)
{
	if (now_ms() <= x->user_deadline)
		return false;
	pam_syslog(x->pamh, LOG_NOTICE, "nothing was answered in time (timeout=%d)", x->opt->timeout);
	return true;
}

static int prompt(struct exchange *x, int style, size_t len)
{
	char text[MAX_PROMPT + 1];
	char *answer = NULL;
	clean_text(text, sizeof text, payload(x), len, true);
	int rc = converse(x->pamh, style, text, &answer);
	explicit_bzero(text, sizeof text); /* it may show the key of a device that is enrolled */
	if (rc != PAM_SUCCESS) {
		pam_syslog(x->pamh, LOG_NOTICE, "no answer at the prompt: %s", pam_strerror(x->pamh, rc));
		return give_up(x, rc);
	}
	size_t n = strnlen(answer, FRAME_LIMIT);
	bool fits = n <= MAX_SECRET;
	if (fits)
		memcpy(payload(x), answer, n);
	wipe_string(answer);
	if (!fits) {
		pam_syslog(x->pamh, LOG_NOTICE, "the answer is too long");
		return give_up(x, PAM_CONV_ERR);
	}
	if (too_late(x))
		return give_up(x, PAM_CONV_ERR);
	return frame_send(x, FRAME_ANSWER, n) ? GO_ON : PAM_AUTHINFO_UNAVAIL;
}

static int show(struct exchange *x, int style, size_t len)
{
	char text[PAM_MAX_MSG_SIZE];
	if ((x->flags & PAM_SILENT) != 0)
		return GO_ON;
	clean_text(text, sizeof text, payload(x), len, false);
	/* Whoever cannot show a text may still ask for a password. */
	(void)converse(x->pamh, style, text, NULL);
	return too_late(x) ? give_up(x, PAM_CONV_ERR) : GO_ON;
}

static int keep_authtok(struct exchange *x, size_t len)
{
	if (!x->opt->forward_pass)
		return broken(x, "a password to forward without forward_pass");
	if (len > MAX_SECRET || memchr(payload(x), '\0', len) != NULL)
		return broken(x, "a password to forward that is none");
	memcpy(x->authtok, payload(x), len + 1);
	x->has_authtok = true;
	return GO_ON;
}

static int keep_env(struct exchange *x, size_t len)
{
	const unsigned char *line = payload(x);
	size_t prefix = strlen(ENV_PREFIX);
	if (len <= prefix || memcmp(line, ENV_PREFIX, prefix) != 0 || memchr(line, '=', len) == NULL || memchr(line, '\0', len) != NULL)
		return broken(x, "a variable that is not " ENV_PREFIX "…=…");
	if (len + 1 > sizeof x->env - x->env_len)
		return broken(x, "too many variables");
	memcpy(x->env + x->env_len, line, len + 1);
	x->env_len += len + 1;
	return GO_ON;
}

static int fail_delay(struct exchange *x, size_t len)
{
	if (len != 4)
		return broken(x, "a fail delay that is no number");
	uint32_t us = get_u32(payload(x));
	(void)pam_fail_delay(x->pamh, us < MAX_FAIL_DELAY_US ? us : MAX_FAIL_DELAY_US);
	return GO_ON;
}

static int write_syslog(struct exchange *x, size_t len)
{
	char text[PAM_MAX_MSG_SIZE];
	if (len < 1 || payload(x)[0] > LOG_DEBUG)
		return broken(x, "a log line without a priority");
	clean_text(text, sizeof text, payload(x) + 1, len - 1, false);
	pam_syslog(x->pamh, payload(x)[0], "the server says: %s", text);
	return GO_ON;
}

/* hand_over gives PAM what goes with a success. */
static int hand_over(struct exchange *x)
{
	for (size_t at = 0; at < x->env_len; at += strlen(x->env + at) + 1) {
		if (pam_putenv(x->pamh, x->env + at) != PAM_SUCCESS)
			return PAM_AUTH_ERR;
	}
	if (x->has_authtok && pam_set_item(x->pamh, PAM_AUTHTOK, x->authtok) != PAM_SUCCESS)
		return PAM_AUTH_ERR;
	return PAM_SUCCESS;
}

/* result believes the codes of docs/pam-protocol.md and no others. */
static int result(struct exchange *x, size_t len)
{
	if (len != 4)
		return broken(x, "a result that is no number");
	uint32_t code = get_u32(payload(x));
	switch (code) {
	case PAM_SUCCESS:
		return hand_over(x);
	case PAM_AUTH_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_MAXTRIES:
		return (int)code;
	case PAM_IGNORE:
		if (x->opt->nullok)
			return PAM_IGNORE;
		return broken(x, "PAM_IGNORE without nullok");
	default:
		return broken(x, "a result that it may not give");
	}
}

static int take(struct exchange *x, enum frame_type type, size_t len)
{
	switch (type) {
	case FRAME_PROMPT:
		return prompt(x, PAM_PROMPT_ECHO_OFF, len);
	case FRAME_PROMPT_ECHO:
		return prompt(x, PAM_PROMPT_ECHO_ON, len);
	case FRAME_INFO:
		return show(x, PAM_TEXT_INFO, len);
	case FRAME_ERROR_TEXT:
		return show(x, PAM_ERROR_MSG, len);
	case FRAME_SET_AUTHTOK:
		return keep_authtok(x, len);
	case FRAME_PUT_ENV:
		return keep_env(x, len);
	case FRAME_FAIL_DELAY:
		return fail_delay(x, len);
	case FRAME_SYSLOG:
		return write_syslog(x, len);
	case FRAME_RESULT:
		return result(x, len);
	case FRAME_HELLO:
	case FRAME_ANSWER:
	case FRAME_CONVERSATION_ERROR:
		break;
	}
	return broken(x, "a frame of an unknown type");
}

/* exchange_run says hello and serves the server's frames up to its result. It returns a PAM code. */
int exchange_run(struct exchange *x)
{
	size_t len;
	int rc = hello_write(x, &len);
	if (rc != PAM_SUCCESS)
		return rc;
	if (too_late(x)) /* the application asked for the user's name */
		return PAM_AUTH_ERR;
	if (!frame_send(x, FRAME_HELLO, len))
		return PAM_AUTHINFO_UNAVAIL;
	for (int i = 0; i < MAX_FRAMES; i++) {
		enum frame_type type;
		if (!frame_receive(x, &type, &len))
			return PAM_AUTHINFO_UNAVAIL;
		rc = take(x, type, len);
		if (rc != GO_ON)
			return rc;
	}
	return broken(x, "too many frames");
}
