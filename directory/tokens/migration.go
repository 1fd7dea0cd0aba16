package tokens

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"tandem/directory"
)

// migrationPrefix begins the URIs in the QR codes of Google Authenticator's "Transfer accounts".
const migrationPrefix = "otpauth-migration://offline?"

// migration reads one such URI: a protocol buffer, in base64, in the parameter data. An export of many accounts comes
// as several URIs (batches).
func (r *reader) migration(line int, query string, seen map[int32]*batches) {
	params, err := url.ParseQuery(query)
	if err != nil || len(params["data"]) != 1 {
		r.fail(line, "data", "there must be one parameter data, in base64 and escaped as in a URI")
		return
	}
	// A "+" that was not escaped has become a space; some drop the padding.
	written := strings.TrimRight(strings.ReplaceAll(params.Get("data"), " ", "+"), "=")
	raw, err := base64.RawStdEncoding.DecodeString(written)
	if err != nil {
		r.fail(line, "data", "it is not base64")
		return
	}
	p, err := readPayload(raw)
	if err != nil {
		r.fail(line, "data", "it is not what Google Authenticator exports, or not all of it")
		return
	}
	if p.batch.of > 1 {
		if seen[p.batch.id] == nil {
			seen[p.batch.id] = &batches{line: line, of: p.batch.of, there: map[int32]bool{}}
		}
		seen[p.batch.id].there[p.batch.index] = true
	}
	for _, a := range p.accounts {
		r.account(line, a)
	}
}

// batches are those of one export that are there.
type batches struct {
	line  int
	of    int32
	there map[int32]bool
}

// maxBatches bounds an export; the app makes one code of ten accounts.
const maxBatches = 1000

// missingBatches tells of exports of which a part is not there: it holds somebody's second factor.
func (r *reader) missingBatches(seen map[int32]*batches) {
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		b := seen[id]
		for i := range min(b.of, maxBatches) {
			if !b.there[i] {
				r.fail(b.line, "batch", "of an export in %d QR codes, number %d is not in the file: scan it too", b.of, i+1)
			}
		}
	}
}

// payload is the message MigrationPayload.
type payload struct {
	accounts []account
	batch    struct{ of, index, id int32 }
}

// account is the message OtpParameters.
type account struct {
	key                     []byte
	name, issuer            string
	algorithm, digits, kind uint64
	counter                 uint64
}

func (r *reader) account(line int, a account) {
	e := directory.DeviceEntry{Algorithm: defaultAlgorithm, Counter: a.counter}
	digits, period := defaultDigits, defaultPeriod
	switch a.kind {
	case 1:
		e.Type = directory.TypeHOTP
	case 2:
		e.Type, e.Period, e.Counter = directory.TypeTOTP, &period, 0 // the app knows steps of 30 seconds only
	default:
		r.fail(line, "type", "an account is neither for TOTP nor for HOTP")
		return
	}
	switch a.algorithm {
	case 0, 1:
	case 2:
		e.Algorithm = "SHA256"
	case 3:
		e.Algorithm = "SHA512"
	default:
		r.fail(line, "algorithm", "the algorithm of an account is none of SHA1, SHA256 and SHA512")
		return
	}
	switch a.digits {
	case 0, 1:
	case 2:
		digits = 8
	default:
		r.fail(line, "digits", "the codes of an account have neither 6 nor 8 digits")
		return
	}
	e.Digits = &digits
	t := Token{Line: line, User: a.name, Issuer: a.issuer}
	if issuer, user, both := strings.Cut(a.name, ":"); both { // "issuer:account", as in the label of a URI
		t.User = strings.TrimLeft(user, " ")
		if t.Issuer == "" {
			t.Issuer = issuer
		}
	}
	var ok bool
	if t.Device, ok = r.device(line, e, a.key); ok {
		r.add(t)
	}
}

var errPayload = errors.New("not a protocol buffer of this kind")

func readPayload(raw []byte) (p payload, err error) {
	err = fields(raw, func(n protowire.Number, number uint64, octets []byte) error {
		switch int(n) {
		case 1:
			a, err := readAccount(octets)
			if err != nil {
				return err
			}
			p.accounts = append(p.accounts, a)
		case 3:
			p.batch.of = int32(number)
		case 4:
			p.batch.index = int32(number)
		case 5:
			p.batch.id = int32(number)
		}
		return nil
	})
	if p.batch.of > maxBatches {
		return payload{}, errPayload
	}
	return p, err
}

func readAccount(raw []byte) (a account, err error) {
	err = fields(raw, func(n protowire.Number, number uint64, octets []byte) error {
		switch int(n) {
		case 1:
			a.key = octets
		case 2:
			a.name = string(octets)
		case 3:
			a.issuer = string(octets)
		case 4:
			a.algorithm = number
		case 5:
			a.digits = number
		case 6:
			a.kind = number
		case 7:
			a.counter = number
		}
		return nil
	})
	return a, err
}

// fields calls each with every field of a message: number is that of a varint, octets those of what has a length.
func fields(raw []byte, each func(n protowire.Number, number uint64, octets []byte) error) error {
	for len(raw) > 0 {
		n, kind, length := protowire.ConsumeTag(raw)
		if length < 0 {
			return errPayload
		}
		raw = raw[length:]
		var number uint64
		var octets []byte
		switch kind {
		case protowire.VarintType:
			number, length = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			octets, length = protowire.ConsumeBytes(raw)
		default:
			length = protowire.ConsumeFieldValue(n, kind, raw)
		}
		if length < 0 {
			return errPayload
		}
		raw = raw[length:]
		if err := each(n, number, octets); err != nil {
			return err
		}
	}
	return nil
}
