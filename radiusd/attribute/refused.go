package attribute

import "slices"

// refusals are the attributes that no policy may set, by the reason why.
var refusals = [...]struct {
	reason string
	names  []string
}{
	{"Tandem finds an open challenge by it", []string{"State"}},
	{"Tandem signs each reply with it, once and in the first place", []string{"Message-Authenticator"}},
	{"Tandem returns those that the request has, unchanged", []string{"Proxy-State"}},
	{"Tandem sets it in challenges, and it belongs nowhere else (RFC 2869 §5.19)", []string{"Prompt"}},
	{"it belongs into rejects (RFC 2869 §5.19)", []string{"Password-Retry"}},
	{"it is part of an EAP conversation, and Tandem holds none", []string{"EAP-Message", "EAP-Key-Name"}},
	{"name the vendor's attribute, or write it in numbers, VENDOR:TYPE", []string{"Vendor-Specific"}},
	{
		"the NAS sends it, a reply has none (RFC 2865 §5.44, RFC 2869 §5.19, RFC 3162 §3)",
		[]string{
			"User-Password", "CHAP-Password", "NAS-IP-Address", "NAS-Port", "Called-Station-Id", "Calling-Station-Id",
			"NAS-Identifier", "CHAP-Challenge", "NAS-Port-Type", "Connect-Info", "NAS-Port-Id", "NAS-IPv6-Address",
			"Digest-Response", "Digest-Attributes",
		},
	},
	{
		"it belongs into accounting, which Tandem leaves to others (RFC 2866 §5.13, RFC 2867 §5, RFC 2869 §5.19)",
		[]string{
			"Acct-Status-Type", "Acct-Delay-Time", "Acct-Input-Octets", "Acct-Output-Octets", "Acct-Session-Id",
			"Acct-Authentic", "Acct-Session-Time", "Acct-Input-Packets", "Acct-Output-Packets", "Acct-Terminate-Cause",
			"Acct-Multi-Session-Id", "Acct-Link-Count", "Acct-Input-Gigawords", "Acct-Output-Gigawords",
			"Acct-Tunnel-Connection", "Acct-Tunnel-Packets-Lost", "Event-Timestamp",
		},
	},
	{
		"it is part of a way to log in without a cleartext password, and Tandem needs PAP",
		[]string{
			"ARAP-Password", "ARAP-Security", "ARAP-Security-Data", "ARAP-Challenge-Response",
			"MS-CHAP-Response", "MS-CHAP-Error", "MS-CHAP-CPW-1", "MS-CHAP-CPW-2", "MS-CHAP-LM-Enc-PW", "MS-CHAP-NT-Enc-PW",
			"MS-CHAP-Challenge", "MS-CHAP-MPPE-Keys", "MS-Old-ARAP-Password", "MS-New-ARAP-Password", "MS-ARAP-PW-Change-Reason",
			"MS-CHAP2-Response", "MS-CHAP2-Success", "MS-CHAP2-CPW",
		},
	},
}

// refusal says why a policy may not set d; "" if it may.
func refusal(d *definition) string {
	for _, r := range refusals {
		if slices.Contains(r.names, d.name) {
			return r.reason
		}
	}
	return ""
}
