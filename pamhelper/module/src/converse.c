#include "tandem.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT '?'

/* character returns how many octets of text the UTF-8 character at its beginning has; 0: it is none. */
static size_t character(const unsigned char *text, size_t len)
{
	size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : text[0] >= 0xe0 && text[0] < 0xf0 ? 3 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* The controls of ASCII, and those of Unicode's C1 set, which terminals obey as well. */
static bool control(const unsigned char *text, size_t n)
{
	return (n == 1 && (text[0] < 0x20 || text[0] == 0x7f)) || (n == 2 && text[0] == 0xc2 && text[1] < 0xa0);
}

/*
 * clean_text makes a text fit for any terminal and log: UTF-8 without control characters, cut between
 * two characters to fit into size octets with its NUL. With lines, line feeds stay.
 */
void clean_text(char *out, size_t size, const unsigned char *text, size_t len, bool lines)
{
	size_t o = 0;
	for (size_t i = 0; i < len;) {
		size_t n = character(text + i, len - i);
		bool bad = n == 0 || (control(text + i, n) && !(lines && text[i] == '\n'));
		size_t width = bad ? 1 : n;
		if (o + width >= size)
			break;
		if (bad)
			out[o] = REPLACEMENT;
		else
			memcpy(out + o, text + i, n);
		o += width;
		i += n == 0 ? 1 : n;
	}
	out[o] = '\0';
}

/* wipe_string wipes and frees what the application allocated; NULL is fine. */
void wipe_string(char *s)
{
	if (s != NULL) {
		explicit_bzero(s, strlen(s));
		free(s);
	}
}

/*
 * converse hands one message to the application. With answer, it must be answered; the caller frees
 * the answer with wipe_string. PAM_SUCCESS, or what went wrong.
 */
int converse(pam_handle_t *pamh, int style, const char *text, char **answer)
{
	const void *item = NULL;
	int rc = pam_get_item(pamh, PAM_CONV, &item);
	const struct pam_conv *conv = item;
	if (rc != PAM_SUCCESS || conv == NULL || conv->conv == NULL)
		return PAM_CONV_ERR;

	const struct pam_message message = {.msg_style = style, .msg = text};
	const struct pam_message *messages = &message;
	struct pam_response *response = NULL;
	rc = conv->conv(1, &messages, &response, conv->appdata_ptr);
	if (rc != PAM_SUCCESS)
		return rc; /* there is no response then, pam_conv(3) */

	char *said = response == NULL ? NULL : response->resp;
	free(response);
	if (answer == NULL) {
		wipe_string(said);
		return PAM_SUCCESS;
	}
	*answer = said;
	return said == NULL ? PAM_CONV_ERR : PAM_SUCCESS;
}
