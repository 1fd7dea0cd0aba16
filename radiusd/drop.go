package radiusd

import (
	"log/slog"
	"net/netip"
	"time"
)

// dropReason is why a packet, or the reply to it, was dropped: the label of a counter.
type dropReason string

const (
	dropUnknownClient dropReason = "unknown-client"

	// The packet is malformed.
	dropShort             dropReason = "shorter-than-header"
	dropLength            dropReason = "length-field"
	dropAttributeType     dropReason = "attribute-type"
	dropAttributeLength   dropReason = "attribute-length"
	dropTooMany           dropReason = "too-many-attributes"
	dropRepeated          dropReason = "repeated-attribute"
	dropMessageAuthLength dropReason = "message-authenticator-length"
	dropEmptyState        dropReason = "empty-state"
	dropCode              dropReason = "code"

	// The packet may not be the client's.
	dropForged          dropReason = "message-authenticator-wrong"
	dropUnauthenticated dropReason = "message-authenticator-missing"
	dropProxyState      dropReason = "proxy-state-without-message-authenticator"

	// There is more to do than can be done.
	dropCacheFull  dropReason = "cache-full"
	dropQueueFull  dropReason = "queue-full"
	dropExpired    dropReason = "waited-too-long"
	dropDelayFull  dropReason = "too-many-delayed"
	dropStatusRate dropReason = "status-rate"

	// There is nobody to answer, or nothing to say.
	dropSuperseded    dropReason = "superseded"
	dropUnavailable   dropReason = "unavailable"
	dropNotReady      dropReason = "not-ready"
	dropReplyTooLarge dropReason = "reply-too-large"
	dropReplyInvalid  dropReason = "reply-invalid"
	dropSendFailed    dropReason = "send-failed"
	dropShutdown      dropReason = "shutdown"
)

// allDropReasons is for the counters, which exist from the start.
var allDropReasons = []dropReason{
	dropUnknownClient,
	dropShort, dropLength, dropAttributeType, dropAttributeLength, dropTooMany, dropRepeated, dropMessageAuthLength, dropEmptyState, dropCode,
	dropForged, dropUnauthenticated, dropProxyState,
	dropCacheFull, dropQueueFull, dropExpired, dropDelayFull, dropStatusRate,
	dropSuperseded, dropUnavailable, dropNotReady, dropReplyTooLarge, dropReplyInvalid, dropSendFailed, dropShutdown,
}

// advice is what an administrator should hear about a drop; reasons that are not here only count.
var advice = map[dropReason]string{
	dropUnknownClient: "if this host may ask, add its address to a client in the configuration",
	dropForged:        "the shared secrets of this client and of Tandem differ, or somebody forges packets",
	dropUnauthenticated: "enable Message-Authenticator on the NAS or upgrade it; require_message_authenticator = false for this client " +
		"lets it in, and lets an attacker on the path turn rejects into accepts (CVE-2024-3596)",
	dropProxyState: "enable Message-Authenticator on the proxy or upgrade it; limit_proxy_state = false for this client " +
		"lets it in, and lets an attacker on the path turn rejects into accepts (CVE-2024-3596)",
	dropCacheFull:     "more requests are undecided than are kept track of: is the directory slow, or is this a flood?",
	dropQueueFull:     "requests arrive faster than they are decided: is the directory slow, or is this a flood?",
	dropExpired:       "requests arrive faster than they are decided: is the directory slow, or is this a flood?",
	dropDelayFull:     "more rejects are waiting for their delay than are kept: this is a flood of failing logins",
	dropUnavailable:   "nobody can decide now, and silence lets the NAS fail over: see the core's log for what is out of reach",
	dropReplyTooLarge: "the proxies' Proxy-State attributes leave no room for a reply in 4096 octets",
	dropReplyInvalid:  "a verdict did not fit into RADIUS attributes: please report this",
}

// drop counts a dropped packet and, once in a while, says what to do about it. c is nil where the
// client is not known.
func (s *Server) drop(reason dropReason, c *Client, peer netip.AddrPort) {
	s.metrics.dropped.WithLabelValues(string(reason)).Inc()
	hint, ok := advice[reason]
	if !ok {
		return
	}
	name := ""
	if c != nil {
		name = c.Name
	}
	s.warn(string(reason), name, "RADIUS packet dropped",
		slog.String("reason", string(reason)), slog.String("client", name), slog.Any("address", peer), slog.String("advice", hint))
}

// warn logs at most once a minute for a subject and a client, with how often it kept silent since.
func (s *Server) warn(subject, client, message string, attrs ...slog.Attr) {
	silent, ok := s.samples.take(subject+" "+client, time.Now())
	if !ok {
		return
	}
	if silent > 0 {
		attrs = append(attrs, slog.Int("more_since_last", silent))
	}
	s.log.LogAttrs(s.work, slog.LevelWarn, message, attrs...)
}
