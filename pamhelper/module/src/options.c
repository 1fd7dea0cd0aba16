#include "tandem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#define DEFAULT_SOCKET "/run/tandem/pam.sock"
#define DEFAULT_TIMEOUT 60 /* well below sshd's LoginGraceTime of 120 */
#define MAX_TIMEOUT 600

/* value returns what follows name= in word, or NULL. */
static const char *value(const char *word, const char *name)
{
	size_t n = strlen(name);
	return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool parse_timeout(const char *text, int *seconds)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 1 || n > MAX_TIMEOUT)
		return false;
	*seconds = (int)n;
	return true;
}

static bool flag_option(const char *word, struct options *opt)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"try_first_pass", &opt->try_first_pass},
		{"use_first_pass", &opt->use_first_pass},
		{"forward_pass", &opt->forward_pass},
		{"echo_code", &opt->echo_code},
		{"nullok", &opt->nullok},
		{"debug", &opt->debug},
	};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (strcmp(word, flags[i].name) == 0) {
			*flags[i].flag = true;
			return true;
		}
	}
	return false;
}

static bool value_option(const char *word, struct options *opt)
{
	const struct {
		const char *name;
		const char **at;
	} values[] = {
		{"socket", &opt->socket},
		{"helper", &opt->helper},
		{"policy", &opt->policy},
		{"prompt", &opt->prompt},
		{"code_prompt", &opt->code_prompt},
	};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		const char *v = value(word, values[i].name);
		if (v != NULL && *v != '\0') {
			*values[i].at = v;
			return true;
		}
	}
	const char *seconds = value(word, "timeout");
	return seconds != NULL && parse_timeout(seconds, &opt->timeout);
}

/*
 * options_parse reads the module's arguments. A word that is not understood could be the one that
 * makes the stack safe, so it is an error and nobody gets in.
 */
bool options_parse(pam_handle_t *pamh, int argc, const char **argv, struct options *opt)
{
	*opt = (struct options){.timeout = DEFAULT_TIMEOUT};
	for (int i = 0; i < argc; i++) {
		if (!flag_option(argv[i], opt) && !value_option(argv[i], opt)) {
			pam_syslog(pamh, LOG_ERR, "unknown option, or a value it cannot have: \"%s\"; nobody is let in until it is corrected", argv[i]);
			return false;
		}
	}
	if (opt->socket != NULL && opt->helper != NULL) {
		pam_syslog(pamh, LOG_ERR, "socket= and helper= exclude each other; nobody is let in until one is removed");
		return false;
	}
	if (opt->try_first_pass && opt->use_first_pass) {
		pam_syslog(pamh, LOG_ERR, "try_first_pass and use_first_pass exclude each other; nobody is let in until one is removed");
		return false;
	}
	if (opt->socket == NULL)
		opt->socket = DEFAULT_SOCKET;
	return true;
}
