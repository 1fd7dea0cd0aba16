/*
 * Feeds mutated server frames, options, texts and paths to the module's own functions. It is linked with
 * the sources, not with the module, and run under AddressSanitizer and under valgrind.
 *
 *   fuzz FOLDER SEED ROUNDS    FOLDER holds a PAM service "app"
 *
 * Deterministic: a SEED that failed fails again.
 */
#include "tandem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>

static uint64_t state;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* In the place of libpam's: the formats are worked out, and the machine's log stays clean. */
void pam_syslog(const pam_handle_t *pamh, int priority, const char *format, ...)
{
	char text[2048];
	va_list args;
	(void)pamh, (void)priority;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
}

static int conversation(int n, const struct pam_message **message, struct pam_response **response, void *data)
{
	(void)data;
	if (n != 1)
		fail("more than one message");
	int style = message[0]->msg_style;
	bool prompt = style == PAM_PROMPT_ECHO_OFF || style == PAM_PROMPT_ECHO_ON; /* it may have many lines */
	for (const char *c = message[0]->msg; *c != '\0'; c++) {
		if (((unsigned char)*c < 0x20 && !(prompt && *c == '\n')) || *c == 0x7f)
			fail("a control character reached the application");
	}
	if (strlen(message[0]->msg) > (prompt ? MAX_PROMPT : PAM_MAX_MSG_SIZE - 1))
		fail("a text is too long");
	switch (rnd(8)) {
	case 0:
		return PAM_CONV_ERR;
	case 1:
		*response = NULL;
		return PAM_SUCCESS;
	}
	*response = calloc(1, sizeof **response);
	if (rnd(8) != 0) {
		size_t len = rnd(16) == 0 ? rnd(20000) : rnd(20);
		(*response)->resp = malloc(len + 1);
		memset((*response)->resp, 'x', len);
		(*response)->resp[len] = '\0';
	}
	return PAM_SUCCESS;
}

static const struct {
	unsigned char type;
	const char *payload;
	uint32_t len;
} seeds[] = {
	{0x81, "Password: ", 10}, {0x82, "Code: ", 6}, {0x83, "info \x1b[2J", 9}, {0x84, "error \xc2\x9b", 8},
	{0x85, "password", 8}, {0x86, "TANDEM_X=y", 10}, {0x87, "\0\0\0\0", 4}, {0x88, "\3text", 5},
	{0x89, "\0\0\0\0", 4}, {0x89, "\0\0\0\7", 4}, {0x89, "\0\0\0\x19", 4}, {0x02, "", 0}, {0xff, "?", 1},
};

/* write_frames puts some frames into buf, most of them right. */
static size_t write_frames(unsigned char *buf, size_t size)
{
	size_t len = 0;
	for (uint32_t frames = rnd(12) + 1; frames > 0; frames--) {
		uint32_t s = rnd(sizeof seeds / sizeof *seeds), pad = rnd(8) == 0 ? rnd(17000) : 0;
		if (len + FRAME_HEADER + seeds[s].len + pad > size)
			break;
		buf[len] = seeds[s].type;
		put_u32(buf + len + 1, seeds[s].len + pad);
		memcpy(buf + len + FRAME_HEADER, seeds[s].payload, seeds[s].len);
		memset(buf + len + FRAME_HEADER + seeds[s].len, (int)rnd(256), pad);
		len += FRAME_HEADER + seeds[s].len + pad;
	}
	for (uint32_t edits = rnd(4); edits > 0 && len > 0; edits--) {
		switch (rnd(3)) {
		case 0:
			buf[rnd((uint32_t)len)] = (unsigned char)rnd(256);
			break;
		case 1:
			len = rnd((uint32_t)len) + 1;
			break;
		default:
			buf[rnd((uint32_t)len)] ^= (unsigned char)(1u << rnd(8));
		}
	}
	return len;
}

static bool contains(const unsigned char *buf, size_t len, const char *part, size_t n)
{
	for (size_t i = 0; i + n <= len; i++) {
		if (memcmp(buf + i, part, n) == 0)
			return true;
	}
	return false;
}

static void fuzz_exchange(pam_handle_t *pamh)
{
	static unsigned char buf[60000];
	struct options opt = {.timeout = 5, .nullok = rnd(2) != 0, .forward_pass = rnd(4) != 0, .use_first_pass = rnd(2) != 0};
	struct exchange *x = calloc(1, sizeof *x);
	int pair[2];
	if (x == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
		fail("no resources");
	x->pamh = pamh;
	x->opt = &opt;
	x->flags = rnd(2) != 0 ? PAM_SILENT : 0;
	x->fd = pair[0];
	x->deadline = now_ms() + 5000;
	x->user_deadline = rnd(32) == 0 ? 0 : x->deadline;

	size_t len = write_frames(buf, sizeof buf);
	if (write(pair[1], buf, len) < 0 || shutdown(pair[1], SHUT_WR) != 0)
		fail("the socket pair is full");
	int rc = exchange_run(x);
	switch (rc) {
	case PAM_SUCCESS:
		if (!contains(buf, len, "\x89\0\0\0\4\0\0\0\0", 9))
			fail("success without a result frame");
		break;
	case PAM_IGNORE:
		if (!opt.nullok)
			fail("ignored without nullok");
		break;
	case PAM_AUTH_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_MAXTRIES:
		break;
	default:
		fail("a result that is none of ours");
	}
	close(pair[0]);
	close(pair[1]);
	free(x);
}

static void fuzz_text(void)
{
	unsigned char text[64];
	char out[40];
	size_t len = rnd(sizeof text), size = rnd(sizeof out) + 1;
	for (size_t i = 0; i < len; i++)
		text[i] = (unsigned char)(rnd(3) != 0 ? rnd(256) : 0xc0 + rnd(0x38));
	/* At the end of an allocation, where one octet too much is seen. */
	unsigned char *exact = malloc(len == 0 ? 1 : len);
	memcpy(exact, text, len);
	bool lines = rnd(2) != 0;
	clean_text(out, size, exact, len, lines);
	free(exact);
	size_t n = strlen(out);
	if (n >= size)
		fail("a text that is too long");
	char again[40];
	clean_text(again, sizeof again, (unsigned char *)out, n, lines);
	if (strcmp(out, again) != 0)
		fail("a clean text was cleaned further");
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)out[i] < 0x20 && !(lines && out[i] == '\n'))
			fail("a control character in a clean text");
	}
}

static const char *const words[] = {
	"socket=/run/x", "helper=/bin/true", "policy=p", "prompt=", "code_prompt=a b", "echo_code", "nullok", "timeout=5", "timeout=99999999999999999999",
	"timeout=", "=", "", "debug", "debug=1", "use_first_pass", "try_first_pass", "forward_pass", "SOCKET=/x", "socket", "/a/../b", "//", "/", "/tmp/", "/etc/passwd", "a/b",
};

static void fuzz_options_and_paths(pam_handle_t *pamh)
{
	const char *argv[8];
	struct options opt;
	uid_t owner;
	int argc = (int)rnd(8);
	for (int i = 0; i < argc; i++)
		argv[i] = words[rnd(sizeof words / sizeof *words)];
	(void)options_parse(pamh, argc, argv, &opt);
	char path[80];
	snprintf(path, sizeof path, "%s%s%s", words[rnd(sizeof words / sizeof *words)], rnd(2) ? "/" : "", words[rnd(sizeof words / sizeof *words)]);
	(void)trusted_socket(pamh, path, &owner);
	(void)trusted_helper(pamh, path);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	pam_handle_t *pamh = NULL;
	const struct pam_conv conv = {.conv = conversation};
	if (pam_start_confdir("app", "alice", &conv, argv[1], &pamh) != PAM_SUCCESS)
		fail("pam_start_confdir");
	pam_set_item(pamh, PAM_RHOST, "192.0.2.1");
	state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	for (long rounds = strtol(argv[3], NULL, 10); rounds > 0; rounds--) {
		fuzz_exchange(pamh);
		fuzz_text();
		fuzz_options_and_paths(pamh);
	}
	return pam_end(pamh, PAM_SUCCESS) == PAM_SUCCESS ? 0 : 1;
}
