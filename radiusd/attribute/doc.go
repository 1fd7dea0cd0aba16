// Package attribute turns a name and a text into a RADIUS attribute: "Tunnel-Private-Group-Id:1" and "42"
// into the octets 51 05 01 34 32. What is sent to whom is decided elsewhere; here is only how it is written.
//
//	vlan, err := attribute.Find("Tunnel-Private-Group-Id:1") // once, when the configuration is read
//	size, err := vlan.Check("42")                            // likewise, if the value is known by then
//	avp, err := vlan.Encode("42", &reply)                    // for each reply
//
// # Names
//
// Names are those of FreeRADIUS's dictionaries, in upper or lower case. The attributes of RFC 2868 may
// have a tag from 1 to 31 behind a colon, which says what belongs together. What has no name is written in
// numbers: see [Find].
//
// Attributes that a policy has no business with are refused by name and by number, with the reason: those
// that Tandem itself puts into replies, and those that make no sense in an Access-Accept.
//
// # Values
//
// How a value is written depends on the attribute's type:
//
//	string      text, UTF-8, without control characters but tabs and ends of lines
//	octets      0x and hexadecimal digits, or else the text's own octets
//	integer     a decimal number, 0x and hexadecimal digits, or a name that the dictionary has for it: Framed-User
//	ipaddr      192.0.2.1
//	ipv6addr    2001:db8::1
//	ipv6prefix  2001:db8::/64
//	ifid        0000:0000:0000:0001
//	ether       02:00:00:00:00:01
//	date        2026-01-31T12:00:00Z, or the seconds since 1970
//
// Numbers in raw attributes may also be of type byte (8 bits), short (16) and integer64.
//
// # Sizes
//
// An attribute has at most 253 octets after its type and length. A vendor's header takes 6 of them (some
// vendors' takes more), a tag one, and encryption rounds down what is left to 239. Longer values are
// errors: nothing is cut or split. An empty value is an error, too (RFC 2865 §5): leave the attribute out.
//
// # Encryption
//
// Tunnel-Password, MS-MPPE-Send-Key and their like are encrypted with the shared secret, the request's
// authenticator and a salt (RFC 2868 §3.5). That is MD5 in the role of a stream cipher: it keeps a key from
// those who look at the packets and do not know the secret, for as long as the secret is long and random.
// Some attributes carry keys without any encryption, Mikrotik-Wireless-PSK for instance: their vendors
// want it so.
package attribute
