/* login CONFDIR SERVICE USER ANSWER: one PAM login in a fresh process, answering every question with ANSWER. */
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int answer(int n, const struct pam_message **messages, struct pam_response **responses, void *text)
{
	struct pam_response *r = calloc((size_t)n, sizeof *r);
	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF || messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			r[i].resp = strdup(text);
	*responses = r;
	return PAM_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: login CONFDIR SERVICE USER ANSWER\n");
		return 2;
	}
	struct pam_conv conv = {answer, argv[4]};
	pam_handle_t *pamh;
	if (pam_start_confdir(argv[2], argv[3], &conv, argv[1], &pamh) != PAM_SUCCESS)
		return 3;
	int rc = pam_authenticate(pamh, 0);
	pam_end(pamh, rc);
	if (rc != PAM_SUCCESS)
		fprintf(stderr, "%s: %s\n", argv[2], pam_strerror(pamh, rc));
	return rc == PAM_SUCCESS ? 0 : 1;
}
