/*
 * Logs in, and looks through its own memory for what was typed.
 *
 *   secrets FOLDER         FOLDER holds a PAM service "app"; the program ends 0 if nothing was found
 *   secrets FOLDER blind   does not look: for valgrind, under which that takes too long
 *
 * The password's end (mark, see there) never stands in this program's memory but where the module puts it.
 */
#define _GNU_SOURCE
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "correct-horse-battery", each octet XOR KEY. */
static const unsigned char mark[] = {
	0x36, 0x3a, 0x27, 0x27, 0x30, 0x36, 0x21, 0x78, 0x3d, 0x3a, 0x27, 0x26, 0x30, 0x78, 0x37, 0x34, 0x21, 0x21, 0x30, 0x27, 0x2c,
};
#define KEY 0x55

/* What is typed before it: free(3) writes over the beginning of what it frees. */
#define FILL 32

static bool at(const volatile unsigned char *p)
{
	for (size_t i = 0; i < sizeof mark; i++) {
		if ((p[i] ^ KEY) != mark[i])
			return false;
	}
	return true;
}

static bool blind;

/* found counts the places in writable memory that hold the password; dumpable_only: that a core dump shows. */
static int found(bool dumpable_only)
{
	if (blind)
		return 0;
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start = 0, end = 0;
	bool writable = false;
	int n = 0;
	while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;
		char mode[8];
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3) {
			start = from, end = to;
			writable = mode[0] == 'r' && mode[1] == 'w';
		} else if (strncmp(line, "VmFlags:", 8) == 0 && writable && !(dumpable_only && strstr(line, " dd") != NULL)) {
			for (unsigned long p = start; p + sizeof mark <= end; p++) {
				if (at((const volatile unsigned char *)p)) {
					fprintf(stderr, "found at %lx in %lx-%lx\n", p, start, end);
					n++;
				}
			}
		}
	}
	if (maps == NULL)
		n++;
	else
		fclose(maps);
	return n;
}

static int dumpable;

static int conversation(int n, const struct pam_message **message, struct pam_response **response, void *data)
{
	(void)n, (void)message, (void)data;
	dumpable += found(true);
	*response = calloc(1, sizeof **response);
	char *typed = malloc(FILL + sizeof mark + 1);
	if (*response == NULL || typed == NULL)
		return PAM_BUF_ERR;
	memset(typed, '.', FILL);
	for (size_t i = 0; i < sizeof mark; i++)
		typed[FILL + i] = (char)(mark[i] ^ KEY);
	typed[FILL + sizeof mark] = '\0';
	(*response)->resp = typed;
	return PAM_SUCCESS;
}

int main(int argc, char **argv)
{
	pam_handle_t *pamh = NULL;
	const struct pam_conv conv = {.conv = conversation};
	blind = argc == 3;
	if (argc < 2 || pam_start_confdir("app", "alice", &conv, argv[1], &pamh) != PAM_SUCCESS)
		return 2;
	int rc = pam_authenticate(pamh, 0), left = found(false);
	pam_end(pamh, rc);
	if (rc != PAM_AUTH_ERR) {
		fprintf(stderr, "the login ended with %d\n", rc);
		return 2;
	}
	fprintf(stderr, "%d left behind, %d in a core dump\n", left, dumpable);
	return left == 0 && dumpable == 0 ? 0 : 1;
}
