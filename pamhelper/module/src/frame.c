#include "tandem.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>

int64_t now_ms(void)
{
	struct timespec t;
	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		return INT64_MAX; /* no clock: every deadline is over */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void put_u32(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 24);
	at[1] = (unsigned char)(value >> 16);
	at[2] = (unsigned char)(value >> 8);
	at[3] = (unsigned char)value;
}

uint32_t get_u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/*
 * ready waits until fd can be read or written, or the deadline is over. What is there already counts even
 * then: who stops this process for a while (Ctrl-Z) must not turn a no into a server that is out of reach.
 */
static bool ready(const struct exchange *x, short events)
{
	struct pollfd p = {.fd = x->fd, .events = events};
	for (;;) {
		int64_t left = x->deadline - now_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (left <= 0) {
			pam_syslog(x->pamh, LOG_ERR, "no answer from the server within timeout=%d", x->opt->timeout);
			return false;
		}
	}
}

static bool try_again(void)
{
	return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
}

/*
 * frame_send sends the len octets that stand at payload(x). A server that has hung up is no error
 * here: it may have said why before, and what it said is still to be read.
 */
bool frame_send(struct exchange *x, enum frame_type type, size_t len)
{
	x->frame[0] = (unsigned char)type;
	put_u32(x->frame + 1, (uint32_t)len);
	for (size_t done = 0; done < FRAME_HEADER + len;) {
		if (!ready(x, POLLOUT))
			return false;
		ssize_t n = send(x->fd, x->frame + done, FRAME_HEADER + len - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return true;
		else if (!try_again())
			return false;
	}
	return true;
}

static bool receive_exactly(struct exchange *x, unsigned char *into, size_t len)
{
	for (size_t done = 0; done < len;) {
		if (!ready(x, POLLIN))
			return false;
		ssize_t n = recv(x->fd, into + done, len - done, 0);
		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || !try_again()) {
			pam_syslog(x->pamh, LOG_ERR, "the server hung up before it gave a result");
			return false;
		}
	}
	return true;
}

/* frame_receive reads the next frame: its len octets stand at payload(x), and a NUL behind them. */
bool frame_receive(struct exchange *x, enum frame_type *type, size_t *len)
{
	if (!receive_exactly(x, x->frame, FRAME_HEADER))
		return false;
	uint32_t n = get_u32(x->frame + 1);
	if (n >= FRAME_LIMIT) {
		pam_syslog(x->pamh, LOG_ERR, "the server sent a frame of %lu octets", (unsigned long)n);
		return false;
	}
	if (!receive_exactly(x, payload(x), n))
		return false;
	payload(x)[n] = '\0';
	*type = (enum frame_type)x->frame[0];
	*len = n;
	return true;
}
