/*
 * A module for the tests' stacks. "set=WORD" leaves WORD as the password, as a module that asked for it
 * would, and "long" a very long one; "show" tells the application what password the modules before have left.
 */
#include <stdio.h>
#include <string.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	if (argc == 1 && strncmp(argv[0], "set=", 4) == 0)
		return pam_set_item(pamh, PAM_AUTHTOK, argv[0] + 4);
	if (argc == 1 && strcmp(argv[0], "long") == 0) {
		char token[1100];
		memset(token, 'x', sizeof token);
		token[sizeof token - 1] = '\0';
		return pam_set_item(pamh, PAM_AUTHTOK, token);
	}
	const void *token = NULL;
	pam_get_item(pamh, PAM_AUTHTOK, &token);
	pam_info(pamh, "authtok=%s", token == NULL ? "none" : (const char *)token);
	return PAM_SUCCESS;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}
