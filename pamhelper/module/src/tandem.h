/*
 * pam_tandem: the PAM module. It decides nothing: it carries questions and answers between the
 * application's conversation and tandemd (or a helper process), and returns the result it is told.
 *
 * Where things are:
 *   pam_tandem.c  the six entry points
 *   options.c     the words after the module's name in pam.d
 *   trust.c       may this path, this peer be trusted with a password?
 *   socket.c      the way to the daemon
 *   helper.c      the way to a helper process
 *   frame.c       frames in and out, under a deadline
 *   hello.c       the first frame: who wants what
 *   exchange.c    the questions, up to the result
 *   converse.c    the application's conversation, and texts fit for a terminal
 *
 * Rules of the house: no threads, no global state that changes, no getenv. Secrets stay in struct
 * exchange (one allocation of its own, kept out of core dumps and wiped) and in the application's answer (wiped).
 *
 * Which failure has which code matters where a stack says [authinfo_unavail=ignore]: PAM_AUTHINFO_UNAVAIL
 * is only for what the person at the prompt cannot bring about (no daemon, a broken daemon, a wrong
 * configuration). Slow typing, an aborted conversation, a resource limit set before sudo: PAM_AUTH_ERR.
 */
#ifndef TANDEM_H
#define TANDEM_H

/* First of all includes: Linux and glibc beyond POSIX (SO_PEERCRED, explicit_bzero, setresuid). */
#define _GNU_SOURCE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <security/pam_modules.h>

/* The protocol, docs/pam-protocol.md. */
#define PROTOCOL_VERSION "1.1"
#define FRAME_HEADER 5
#define FRAME_LIMIT 16384 /* a payload is shorter */

enum frame_type {
	FRAME_HELLO = 0x01,
	FRAME_ANSWER = 0x02,
	FRAME_CONVERSATION_ERROR = 0x03,

	FRAME_PROMPT = 0x81, /* not echoed */
	FRAME_PROMPT_ECHO = 0x82,
	FRAME_INFO = 0x83,
	FRAME_ERROR_TEXT = 0x84,
	FRAME_SET_AUTHTOK = 0x85,
	FRAME_PUT_ENV = 0x86,
	FRAME_FAIL_DELAY = 0x87,
	FRAME_SYSLOG = 0x88,
	FRAME_RESULT = 0x89,
};

/* Bounds of one exchange. */
#define MAX_FRAMES 64                 /* from the server */
#define MAX_SECRET 1024               /* octets of a password or answer */
#define MAX_PROMPT 8191               /* octets of a prompt, which may have several lines */
#define MAX_ENV 2048                  /* octets of all variables */
#define MAX_FAIL_DELAY_US (10u * 1000000u)
#define ENV_PREFIX "TANDEM_"          /* of each variable's name */

/* What the line in pam.d says. The strings are the application's. */
struct options {
	const char *socket;
	const char *helper; /* NULL: the socket is used */
	const char *policy;
	const char *prompt;
	const char *code_prompt;
	int timeout; /* seconds */
	bool try_first_pass;
	bool use_first_pass;
	bool forward_pass;
	bool echo_code;
	bool nullok;
	bool debug;
};

/* One exchange with the server. */
struct exchange {
	pam_handle_t *pamh;
	const struct options *opt;
	unsigned flags;        /* PAM's */
	int fd;                /* non-blocking */
	int64_t deadline;      /* ms on the monotonic clock: the end of the exchange */
	int64_t user_deadline; /* ms: answers that come later are too late */

	bool has_authtok; /* for the next module, at success */
	char authtok[MAX_SECRET + 1];
	char env[MAX_ENV]; /* NUL-terminated NAME=value, one after the other, at success */
	size_t env_len;

	/* The frame in hand, and one octet for a NUL behind it. */
	unsigned char frame[FRAME_HEADER + FRAME_LIMIT + 1];
};

static inline unsigned char *payload(struct exchange *x) { return x->frame + FRAME_HEADER; }

/* options.c */
bool options_parse(pam_handle_t *pamh, int argc, const char **argv, struct options *opt);

/* trust.c */
bool trusted_folders(pam_handle_t *pamh, const char *path, bool service_may_own, uid_t *owner);
bool trusted_socket(pam_handle_t *pamh, const char *path, uid_t *owner);
bool trusted_helper(pam_handle_t *pamh, const char *path);
bool trusted_peer(pam_handle_t *pamh, int fd, uid_t owner);

/* socket.c, helper.c: a PAM code; on PAM_SUCCESS *fd is non-blocking and close-on-exec. */
int socket_open(pam_handle_t *pamh, const char *path, int64_t deadline, int *fd);
int helper_start(pam_handle_t *pamh, const char *path, int *fd, pid_t *pid);
void helper_end(pid_t pid, bool at_once);

/* frame.c */
int64_t now_ms(void);
bool frame_send(struct exchange *x, enum frame_type type, size_t len);
bool frame_receive(struct exchange *x, enum frame_type *type, size_t *len);
void put_u32(unsigned char *at, uint32_t value);
uint32_t get_u32(const unsigned char *at);

/* hello.c */
int hello_write(struct exchange *x, size_t *len);

/* exchange.c */
int exchange_run(struct exchange *x);

/* converse.c */
void clean_text(char *out, size_t size, const unsigned char *text, size_t len, bool lines);
int converse(pam_handle_t *pamh, int style, const char *text, char **answer);
void wipe_string(char *s);

#endif
