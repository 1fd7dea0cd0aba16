package exchange

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"
)

// recording is a connection whose other end has said everything already.
type recording struct {
	net.Conn
	said  io.Reader
	heard bytes.Buffer
}

func (r *recording) Read(b []byte) (int, error)  { return r.said.Read(b) }
func (r *recording) Write(b []byte) (int, error) { return r.heard.Write(b) }

// conversation is a Conn that hears answers, one after the other, to the requests with the IDs 1, 2, …
func conversation(answers ...[]byte) (*Conn, *recording) {
	r := &recording{said: bytes.NewReader(slices.Concat(answers...))}
	return New(r), r
}

// sentByLibrary is what go-ldap sends first, when do uses it.
func sentByLibrary(t testing.TB, do func(*goldap.Conn)) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	c := goldap.NewConn(theirs, false)
	c.Start()
	got := make(chan []byte, 1)
	go func() {
		defer func() { _ = ours.Close() }()
		_ = ours.SetReadDeadline(time.Now().Add(10 * time.Second))
		p, err := ber.ReadPacket(ours)
		if err != nil {
			got <- nil
			return
		}
		got <- p.Bytes()
	}()
	do(c)
	_ = c.Close()
	return <-got
}

func TestRequestsAreThoseOfTheLibrary(t *testing.T) {
	long := strings.Repeat("long ", 60) // lengths of more than one octet
	for _, dn := range []string{"", "uid=alice,dc=example", long, strings.Repeat(long, 300)} {
		for _, password := range []string{"secret", "pässwörd", long} {
			want := sentByLibrary(t, func(c *goldap.Conn) { _ = c.Bind(dn, password) })
			c, r := conversation()
			_ = c.Bind(dn, password)
			if !bytes.Equal(r.heard.Bytes(), want) {
				t.Errorf("bind as %.20q: sent %x\nwant %x", dn, r.heard.Bytes(), want)
			}
		}
	}
	for _, search := range []goldap.SearchRequest{
		{BaseDN: "dc=example", Scope: goldap.ScopeWholeSubtree, Filter: "(uid=alice)", SizeLimit: 2, TimeLimit: 3, Attributes: []string{"uid", "mail"}},
		{BaseDN: "", Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)"},
		{BaseDN: long, Scope: goldap.ScopeSingleLevel, DerefAliases: goldap.DerefAlways, Filter: `(&(uid=a\2ab)(!(mail=*x*)))`, SizeLimit: 70000, TimeLimit: 255, Attributes: []string{"1.1", long}},
	} {
		want := sentByLibrary(t, func(c *goldap.Conn) { _, _ = c.Search(&search) })
		c, r := conversation()
		_, _ = c.Search(&search)
		if !bytes.Equal(r.heard.Bytes(), want) {
			t.Errorf("search %+v: sent %x\nwant %x", search, r.heard.Bytes(), want)
		}
	}
}

func TestChangesAreThoseOfTheLibrary(t *testing.T) {
	modify := goldap.NewModifyRequest("uid=alice,dc=example", nil)
	modify.Delete("tandemDevices", []string{strings.Repeat("[old]", 100)})
	modify.Add("tandemDevices", []string{"[new]"})
	modify.Replace("description", nil)
	want := sentByLibrary(t, func(c *goldap.Conn) { _ = c.Modify(modify) })
	c, r := conversation(message(1, result(goldap.ApplicationModifyResponse, 16, "dc=x", "gone")))
	if err := c.Modify(modify); !goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchAttribute) {
		t.Errorf("modify: %v, want no such attribute", err)
	}
	if !bytes.Equal(r.heard.Bytes(), want) {
		t.Errorf("modify: sent %x\nwant %x", r.heard.Bytes(), want)
	}

	add := goldap.NewAddRequest("cn=new,dc=example", nil)
	add.Attribute("objectClass", []string{"top", "applicationProcess"})
	want = sentByLibrary(t, func(c *goldap.Conn) { _ = c.Add(add) })
	c, r = conversation(message(1, result(goldap.ApplicationAddResponse, 0, "", "")))
	if err := c.Add(add); err != nil || !bytes.Equal(r.heard.Bytes(), want) {
		t.Errorf("add: %v, sent %x\nwant %x", err, r.heard.Bytes(), want)
	}
}

// What would not be sent as it was meant is not sent at all.
func TestRefusedBeforeAnythingIsSent(t *testing.T) {
	control := []goldap.Control{goldap.NewControlManageDsaIT(true)}
	for name, do := range map[string]func(*Conn) error{
		"an empty password": func(c *Conn) error { return c.Bind("uid=alice", "") },
		"a broken filter": func(c *Conn) error {
			_, err := c.Search(&goldap.SearchRequest{Filter: "(uid="})
			return err
		},
		"a change with a control":    func(c *Conn) error { return c.Modify(goldap.NewModifyRequest("uid=alice", control)) },
		"a new entry with a control": func(c *Conn) error { return c.Add(goldap.NewAddRequest("uid=alice", control)) },
	} {
		c, r := conversation()
		if err := do(c); err == nil || errors.Is(err, io.EOF) || r.heard.Len() > 0 {
			t.Errorf("%s: error %v, and %d octets were sent", name, err, r.heard.Len())
		}
	}
}

// message is an answer as the library's encoder makes it.
func message(id int64, operation *ber.Packet) []byte {
	m := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(operation)
	return m.Bytes()
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func result(kind ber.Tag, code int, matched, words string) *ber.Packet {
	r := ber.Encode(ber.ClassApplication, ber.TypeConstructed, kind, nil, "")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	r.AppendChild(octets(matched))
	r.AppendChild(octets(words))
	return r
}

func encodedEntry(e *goldap.Entry) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(e.DN))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, a := range e.Attributes {
		pa := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		pa.AppendChild(octets(a.Name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range a.Values {
			set.AppendChild(octets(v))
		}
		pa.AppendChild(set)
		list.AppendChild(pa)
	}
	p.AppendChild(list)
	return p
}

// Entries of any content come out as the library's encoder put them in.
func TestEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []*goldap.Entry
		var answer [][]byte
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			e := &goldap.Entry{DN: rapid.String().Draw(t, "dn")}
			for range rapid.IntRange(0, 5).Draw(t, "attributes") {
				a := &goldap.EntryAttribute{Name: rapid.StringN(1, 20, 40).Draw(t, "name"), Values: []string{}, ByteValues: [][]byte{}}
				for range rapid.IntRange(0, 4).Draw(t, "values") {
					v := rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "value")
					a.Values, a.ByteValues = append(a.Values, string(v)), append(a.ByteValues, v)
				}
				e.Attributes = append(e.Attributes, a)
			}
			want = append(want, e)
			answer = append(answer, message(1, encodedEntry(e)))
		}
		reference := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultReference, nil, "")
		reference.AppendChild(octets("ldap://elsewhere.example/"))
		answer = append(answer, message(1, reference), message(1, result(goldap.ApplicationSearchResultDone, 0, "", "")))

		c, _ := conversation(answer...)
		got, err := c.Search(&goldap.SearchRequest{Filter: "(uid=*)"})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%d entries, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].DN != want[i].DN || len(got[i].Attributes) != len(want[i].Attributes) {
				t.Fatalf("entry %d: %+v, want %+v", i, got[i], want[i])
			}
			for j, a := range want[i].Attributes {
				b := got[i].Attributes[j]
				if a.Name != b.Name || !slices.Equal(a.Values, b.Values) || !slices.EqualFunc(a.ByteValues, b.ByteValues, bytes.Equal) {
					t.Fatalf("entry %d, attribute %d: %+v, want %+v", i, j, b, a)
				}
			}
		}
	})
}

func TestAnswersOfServers(t *testing.T) {
	bindDone := func(id int64, code int) []byte {
		return message(id, result(goldap.ApplicationBindResponse, code, "dc=x", "words"))
	}
	notice := message(0, result(goldap.ApplicationExtendedResponse, 52, "", "going down"))
	for name, c := range map[string]struct {
		answer []byte
		code   uint16 // of a *goldap.Error
		text   string // of any other
	}{
		"success":                {answer: bindDone(1, 0)},
		"wrong password":         {answer: bindDone(1, 49), code: 49},
		"a code of two bytes":    {answer: bindDone(1, 4096), text: "4096"},
		"another's answer":       {answer: bindDone(2, 0), text: "message 2, and 1 was sent"},
		"an old answer":          {answer: bindDone(-1, 0), text: "message -1"},
		"another operation":      {answer: message(1, result(goldap.ApplicationSearchResultDone, 0, "", "")), text: "not asked"},
		"a notice":               {answer: notice, text: "going down"},
		"nothing":                {text: "EOF"},
		"half an answer":         {answer: bindDone(1, 0)[:9], text: "unexpected EOF"},
		"no LDAP":                {answer: []byte("HTTP/1.1 400 Bad Request\r\n"), text: "not LDAP"},
		"indefinite length":      {answer: []byte{tagSequence, 0x80, 0, 0}, text: "a length that begins"},
		"a length of 8 bytes":    {answer: []byte{tagSequence, 0x88, 1, 2, 3, 4, 5, 6, 7, 8}, text: "a length that begins"},
		"4 GiB":                  {answer: []byte{tagSequence, 0x84, 0xff, 0xff, 0xff, 0xff}, text: "longer than"},
		"8 MiB that do not come": {answer: []byte{tagSequence, 0x83, 0x7f, 0xff, 0xff, 2, 1, 1}, text: "unexpected EOF"},
		"a value too long":       {answer: []byte{tagSequence, 3, tagInteger, 9, 1}, text: "a value of 9 octets, and 1 are left"},
		"a tag of two octets":    {answer: []byte{tagSequence, 3, 0x1f, 0x81, 1}, text: "a tag of more than one octet"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, _ := conversation(c.answer)
			err := conn.Bind("uid=alice", "secret")
			var answered *goldap.Error
			switch {
			case c.code == 0 && c.text == "":
				if err != nil {
					t.Fatal(err)
				}
			case c.code != 0:
				if !errors.As(err, &answered) || answered.ResultCode != c.code || answered.MatchedDN != "dc=x" || answered.Err.Error() != "words" {
					t.Fatalf("error %v, want code %d", err, c.code)
				}
			case err == nil || errors.As(err, &answered) && c.text != "going down" || !strings.Contains(err.Error(), c.text):
				t.Fatalf("error %v, want one with %q that is no answer", err, c.text)
			}
		})
	}
}

func TestMoreEntriesThanAskedFor(t *testing.T) {
	one := message(1, encodedEntry(&goldap.Entry{DN: "uid=a"}))
	c, _ := conversation(one, one, one, one, message(1, result(goldap.ApplicationSearchResultDone, 0, "", "")),
		message(2, result(goldap.ApplicationBindResponse, 0, "", "")))
	got, err := c.Search(&goldap.SearchRequest{Filter: "(uid=*)", SizeLimit: 2})
	if len(got) != 2 || !errors.Is(err, errTooMany) {
		t.Fatalf("%d entries and %v, want 2 and %v", len(got), err, errTooMany)
	}
	if err := c.Bind("uid=alice", "secret"); err != nil {
		t.Errorf("the connection is out of step afterwards: %v", err)
	}
}

// A password must not lie in the buffer of a connection that waits.
func TestPasswordsAreWiped(t *testing.T) {
	c, _ := conversation(message(1, result(goldap.ApplicationBindResponse, 0, "", "")))
	if err := c.Bind("uid=alice", "very secret"); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(c.out[:cap(c.out)], []byte("very secret")) {
		t.Fatal("the password still stands in the connection's buffer")
	}
}

func TestIDsNeverBecomeZero(t *testing.T) {
	c, _ := conversation(message(1, result(goldap.ApplicationBindResponse, 0, "", "")))
	c.id = 1<<31 - 2
	if err := c.Bind("uid=alice", "secret"); err != nil {
		t.Fatalf("after the last ID: %v", err)
	}
}

// Whatever a server sends, there is an answer or an error, and what the library reads we read the same.
func FuzzAnswers(f *testing.F) {
	f.Add(slices.Concat(
		message(1, encodedEntry(&goldap.Entry{DN: "uid=a", Attributes: []*goldap.EntryAttribute{{Name: "uid", Values: []string{"a", "b"}}}})),
		message(1, result(goldap.ApplicationSearchResultDone, 0, "", ""))))
	f.Add(message(1, result(goldap.ApplicationSearchResultDone, 4, "dc=x", "too many")))
	f.Add(message(0, result(goldap.ApplicationExtendedResponse, 52, "", "bye")))
	f.Add([]byte{tagSequence, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		c, _ := conversation(answer)
		entries, err := c.Search(&goldap.SearchRequest{Filter: "(uid=*)", SizeLimit: 3})
		if len(entries) > 3 {
			t.Fatalf("%d entries, 3 were asked for", len(entries))
		}
		if err != nil {
			return
		}
		in := bytes.NewReader(answer)
		var theirs []string
		for {
			p, err := ber.ReadPacket(in)
			if err != nil {
				return // it also looks at what may stand behind what we need (RFC 4511 §4), and somebody may do it wrongly there
			}
			if p.Children[1].Tag == goldap.ApplicationSearchResultDone {
				break
			}
			if p.Children[1].Tag == goldap.ApplicationSearchResultEntry {
				theirs = append(theirs, p.Children[1].Children[0].Data.String())
			}
		}
		var ours []string
		for _, e := range entries {
			ours = append(ours, e.DN)
		}
		if !slices.Equal(ours, theirs) {
			t.Fatalf("entries %q, the library reads %q", ours, theirs)
		}
	})
}
