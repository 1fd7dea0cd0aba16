package attribute

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/dictionary"
)

// Debian's dictionaries, and those of them whose attributes are standard ones.
const debianDictionaries = "/usr/share/freeradius"

var standardDictionaries = []string{
	"rfc2865", "rfc2866", "rfc2867", "rfc2868", "rfc2869", "rfc3162", "rfc3580", "rfc4072", "rfc4372", "rfc4675",
	"rfc4818", "rfc4849", "rfc5607", "rfc6519", "rfc6911", "rfc7268", "iana",
}

// pair is an attribute with a value, and how radclient writes that value.
type pair struct {
	attribute Attribute
	value     string
	printed   string
}

// line is the pair as radclient reads and prints it.
func (p pair) line() string { return p.attribute.String() + " = " + p.printed }

// sampleValues are values for each kind, with the form in which FreeRADIUS writes them.
var sampleValues = map[kind][][2]string{
	kindString: {{"group 7", `"group 7"`}, {`it's "ü" \ $x`, `"it's \"ü\" \\ $x"`}},
	kindOctets: {{"0x0001fe", "0x0001fe"}, {"ou=vpn", "0x6f753d76706e"}},
	// The numbers are ones that no dictionary has a name for.
	kindInteger:     {{"16000001", "16000001"}, {"0xf4240f", "16000015"}},
	kindIPv4:        {{"192.0.2.17", "192.0.2.17"}, {"255.255.255.254", "255.255.255.254"}},
	kindIPv6:        {{"2001:db8::17", "2001:db8::17"}},
	kindIPv6Prefix:  {{"2001:db8:1700::/40", "2001:db8:1700::/40"}, {"2001:db8::/61", "2001:db8::/61"}},
	kindInterfaceID: {{"0:22:333:4444", "0:22:333:4444"}},
	kindEther:       {{"02:00:00:00:00:17", "02:00:00:00:00:17"}},
	kindDate:        {{"2026-01-31T12:00:00Z", `"Jan 31 2026 12:00:00 UTC"`}},
}

// samples returns pairs of a: the sample values of its kind, each name of a value, and some tags.
func samples(t *testing.T, a Attribute) []pair {
	t.Helper()
	values := slices.Clone(sampleValues[a.kind])
	if a.name == "EAPoL-Announcement" {
		values = values[:1] // radclient makes one of several
	}
	if a.size != 0 {
		digits := "0x" + strings.Repeat("a5", int(a.size))
		values = [][2]string{{digits, digits}}
	}
	for _, v := range a.values {
		values = append(values, [2]string{v.name, v.name})
	}
	if len(values) == 0 {
		t.Fatalf("%s: no sample values", a)
	}
	var pairs []pair
	for i, v := range values {
		tagged := a
		if a.tagged {
			tagged.tag = byte(i * 31 / len(values)) // from 0, which is none, on
		}
		pairs = append(pairs, pair{tagged, v[0], v[1]})
	}
	return pairs
}

// exchange lets radclient send pairs in an Access-Request, encoded by itself, answers with the attributes,
// and returns the request and what radclient printed of the answer.
func exchange(t *testing.T, dictionaries string, request []pair, reply func(request *radius.Packet) radius.Attributes) (*radius.Packet, []string) {
	t.Helper()
	program, err := exec.LookPath("radclient")
	if err != nil {
		t.Fatal("radclient is missing: install the Debian package freeradius-utils")
	}
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	var lines, out bytes.Buffer
	for _, p := range request {
		fmt.Fprintln(&lines, p.line())
	}
	cmd := exec.CommandContext(t.Context(), program, "-x", "-r", "1", "-t", "10", "-d", dictionaries, "-D", dictionaries, server.LocalAddr().String(), "auth", testSecret)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &lines, &out, &out
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, radius.MaxPacketLength)
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := server.ReadFrom(raw)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("no request: %v\n%s", err, out.String())
	}
	packet, err := radius.Parse(raw[:n], []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	answer := packet.Response(radius.CodeAccessAccept)
	answer.Attributes = reply(packet)
	b, err := answer.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.WriteTo(b, from); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("radclient: %v\n%s", err, out.String())
	}
	_, received, found := strings.Cut(out.String(), "Received Access-Accept")
	if !found {
		t.Fatalf("radclient did not receive the answer:\n%s", out.String())
	}
	return packet, strings.Split(strings.TrimSpace(received), "\n\t")[1:]
}

// Each attribute of Debian's dictionaries, with values of all sorts: what Debian's radclient encodes is
// compared with what we do, octet by octet, and what radclient decodes from our octets with what was meant.
func TestRadclientAgrees(t *testing.T) {
	for _, vendor := range []string{
		"", // the standard attributes alone
		"microsoft", "cisco", "cisco.asa", "cisco.vpn3000", "altiga", "fortinet", "paloalto", "juniper", "netscreen",
		"citrix", "f5", "checkpoint", "sonicwall", "aruba", "mikrotik", "huawei", "wispr", "pfsense",
	} {
		t.Run(cmp.Or(vendor, "standard"), func(t *testing.T) {
			t.Parallel()
			files := standardDictionaries
			if vendor != "" {
				files = []string{vendor}
			}
			var pairs []pair
			for _, name := range debianNames(t, files) {
				a, err := Find(name)
				if err != nil {
					if d := named(name); d == nil || refusal(d) == "" {
						t.Error(err)
					}
					continue
				}
				pairs = append(pairs, samples(t, a)...)
			}
			home := dictionaryHome(t, append(slices.Clone(standardDictionaries), vendor))
			for batch := range slices.Chunk(pairs, 60) {
				compare(t, home, batch)
			}
		})
	}
}

// Raw attributes of vendors whose headers have another form than most, read with Debian's whole dictionary.
func TestRadclientReadsRawAttributes(t *testing.T) {
	var printed []string
	var ours radius.Attributes
	reply := testReply()
	for _, raw := range []struct{ name, value, printed string }{
		{"429:32768:integer", "23", "CW-Version-Id = 23"},
		{"429:36864:string", "x", `USR-PW_USR_IFilter_IP = "x"`},
		{"637:1792:string", "x", `A-ESAM-VRF-Name = "x"`},
		{"637:1793:integer", "23", "A-ESAM-Vlan-Id = 23"},
		{"4846:4:string", "x", `Lucent-X25-X121-Source-Address = "x"`},
		{"5323:1", "0x010317", "Telrad-Item-Identity = 23"},
		{"8164:1:integer", "23", "SN-VPN-ID = 23"},
		{"8164:2:string", "x", `SN-VPN-Name = "x"`},
		{"16445:2", "0x17", "Kineto-UMA-Release-Indicator = 0x17"},
		{"24757:2:byte", "23", "WiMAX-Device-Authentication-Indicator = 23"},
		{"24757:11:integer", "23", "WiMAX-MN-hHA-MIP4-SPI = 23"},
		{"24757:26:short", "23", "WiMAX-PDFID = 23"},
		{"529:135:ipaddr", "192.0.2.17", "Ascend-Client-Primary-DNS = 192.0.2.17"}, // the usual form
		{"4242:7:string", "x", "Attr-26.4242.7 = 0x78"},                            // likewise, of nobody's
		{"0:240:short", "23", "Attr-240 = 0x0017"},
	} {
		avp, err := mustFind(t, raw.name).Encode(raw.value, reply)
		if err != nil {
			t.Fatal(err)
		}
		ours, printed = append(ours, avp), append(printed, raw.printed)
	}
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "dictionary"), []byte("$INCLUDE "+debianDictionaries+"/dictionary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, got := exchange(t, home, []pair{{attribute: mustFind(t, "User-Name"), printed: `"x"`}}, func(*radius.Packet) radius.Attributes { return ours })
	if !slices.Equal(got, printed) {
		t.Errorf("radclient printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(printed, "\n"))
	}
}

// debianNames returns the names of the attributes in some of Debian's dictionaries.
func debianNames(t *testing.T, files []string) []string {
	t.Helper()
	parser := dictionary.Parser{Opener: &dictionary.FileSystemOpener{Root: debianDictionaries}}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile("dictionary." + file)
		if err != nil {
			t.Fatalf("%v: is the Debian package freeradius-common installed?", err)
		}
		attributes := parsed.Attributes
		for _, v := range parsed.Vendors {
			attributes = append(attributes, v.Attributes...)
		}
		for _, a := range attributes {
			names = append(names, a.Name)
		}
	}
	return names
}

// dictionaryHome makes a folder that has radclient know some of Debian's dictionaries, and no others: vendor
// 3076 has several, which call the same numbers by different names.
func dictionaryHome(t *testing.T, files []string) string {
	t.Helper()
	var b strings.Builder
	for _, file := range append(files, "freeradius.internal") {
		if file != "" {
			fmt.Fprintf(&b, "$INCLUDE %s/dictionary.%s\n", debianDictionaries, file)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dictionary"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// compare has radclient encode and decode pairs. It only decodes what it cannot encode in the same way: it
// encrypts nothing in requests, and makes one NAS-Filter-Rule of two that follow each other.
func compare(t *testing.T, dictionaries string, pairs []pair) {
	t.Helper()
	encodes := func(p pair) bool { return !p.attribute.sealed && !p.attribute.isFilterRule() }
	var asked []pair
	for _, p := range pairs {
		if encodes(p) {
			asked = append(asked, p)
		}
	}
	var ours radius.Attributes
	request, printed := exchange(t, dictionaries, asked, func(request *radius.Packet) radius.Attributes {
		reply := testReply()
		reply.RequestAuthenticator = request.Authenticator
		for _, p := range pairs {
			avp, err := p.attribute.Encode(p.value, reply)
			if err != nil {
				t.Fatal(err)
			}
			ours = append(ours, avp)
		}
		return ours
	})
	if len(request.Attributes) != len(asked) || len(printed) != len(pairs) {
		t.Fatalf("radclient sent %d attributes of %d, and printed %d of %d: %q", len(request.Attributes), len(asked), len(printed), len(pairs), printed)
	}
	for i, p := range pairs {
		if encodes(p) {
			theirs := request.Attributes[0]
			request.Attributes = request.Attributes[1:]
			if theirs.Type != ours[i].Type || !bytes.Equal(theirs.Attribute, ours[i].Attribute) {
				t.Errorf("%s: radclient encodes %d % x, we %d % x", p.line(), theirs.Type, theirs.Attribute, ours[i].Type, ours[i].Attribute)
			}
		}
		if !slices.Contains(spellings(p), printed[i]) {
			t.Errorf("%s: radclient decodes % x as %s", p.line(), ours[i].Attribute, printed[i])
		}
	}
}

// spellings returns the ways in which radclient may print p. Where a dictionary has several names for an
// attribute or for a value, it chooses one; where a tag could be but is not, it prints 0.
func spellings(p pair) []string {
	values := []string{p.printed}
	if n, err := p.attribute.integer(p.value, 32); err == nil && p.attribute.kind == kindInteger {
		for _, v := range p.attribute.values {
			if uint64(v.value) == n {
				values = append(values, v.name)
			}
		}
	}
	var all []string
	for i := range table {
		d := &table[i]
		if d.vendor != p.attribute.vendor || d.number != p.attribute.number || d.kind != p.attribute.kind {
			continue
		}
		name := Attribute{definition: d, tag: p.attribute.tag}
		for _, v := range values {
			all = append(all, name.String()+" = "+v)
			if d.tagged && name.tag == 0 {
				all = append(all, name.String()+":0 = "+v)
			}
		}
	}
	return all
}
