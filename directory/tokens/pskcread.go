package tokens

import (
	"errors"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// pskcSpace is the name space of RFC 6030.
const pskcSpace = "urn:ietf:params:xml:ns:keyprov:pskc"

// pskc reads a Portable Symmetric Key Container (RFC 6030): keys for HOTP and TOTP, plain, or encrypted with a shared
// key (§6.1) or a password (§6.2).
//
// Encrypted for a certificate (§6.3) or signed (§7) it is refused: xmlsec1 and pskctool open and verify such a file.
func (r *reader) pskc(text string) {
	root, err := readXML(text)
	if err == nil {
		err = r.container(root)
	}
	if err != nil {
		r.failAt(err)
	}
}

func (r *reader) failAt(err error) {
	var wrong *errorAt
	if !errors.As(err, &wrong) {
		wrong = &errorAt{why: err.Error()}
	}
	r.fail(wrong.line, wrong.field, "%s", wrong.why)
}

func (r *reader) container(root *element) error {
	if root.name != "KeyContainer" || root.space != pskcSpace {
		return at(root, "", "it is no PSKC file: it does not begin with a KeyContainer of the name space %s", pskcSpace)
	}
	if v := root.attributes["Version"]; v != "1.0" {
		return at(root, "Version", "only version 1.0 is known")
	}
	if signature, err := root.child("Signature"); err != nil || signature != nil {
		return errors.Join(err, at(root, "Signature", "the file is signed: have the signature checked with `pskctool --verify`, then take the element out"))
	}
	keys, err := r.containerKeys(root)
	if err != nil {
		return err
	}
	for _, c := range root.children {
		if c.name != "KeyPackage" {
			continue
		}
		if err := r.keyPackage(c, keys); err != nil {
			r.failAt(err)
		}
	}
	return nil
}

// keyPackage reads one token.
func (r *reader) keyPackage(p *element, keys *containerKeys) error {
	key, err := p.child("Key")
	if err != nil {
		return err
	}
	if key == nil {
		return at(p, "Key", "there is none in this KeyPackage")
	}
	t := Token{Line: key.line}
	if t.Serial, err = p.value("DeviceInfo", "SerialNo"); err != nil {
		return err
	}
	if t.Serial == "" {
		t.Serial = key.attributes["Id"]
	}
	if t.Issuer, err = key.value("Issuer"); err != nil {
		return err
	}
	if t.User, err = userID(p, key); err != nil {
		return err
	}
	e, err := profile(key)
	if err != nil {
		return err
	}
	raw, err := keyData(key, keys, &e, &t)
	if err != nil {
		return err
	}
	if policy, err := key.child("Policy"); err != nil {
		return err
	} else if policy != nil {
		t.Notes = append(t.Notes, "the Policy in the file (PIN, dates, usage) is not taken over")
	}
	var ok bool
	if t.Device, ok = r.device(key.line, e, raw); ok {
		r.add(t)
	}
	return nil
}

// userID is the user of the key, or else of the device (RFC 6030 §4.2, §4.3.1). It is a distinguished name, of which
// the attribute UID is the login name, or else CN; what is no such name is one as it stands.
func userID(p, key *element) (string, error) {
	written, err := key.value("UserId")
	if written == "" && err == nil {
		written, err = p.value("DeviceInfo", "UserId")
	}
	if err != nil || !strings.Contains(written, "=") {
		return written, err
	}
	name, err := ldap.ParseDN(written)
	if err != nil {
		return "", at(key, "UserId", "it is no distinguished name (RFC 4514)")
	}
	for _, attribute := range []string{"uid", "cn"} {
		for _, rdn := range name.RDNs {
			for _, a := range rdn.Attributes {
				if strings.EqualFold(a.Type, attribute) {
					return a.Value, nil
				}
			}
		}
	}
	return "", at(key, "UserId", "neither UID nor CN is in it")
}

// profile reads what codes are made with (RFC 6030 §4.3.4, §5, and the TOTP profile of §10.2's registry).
func profile(key *element) (e directory.DeviceEntry, err error) {
	switch algorithm := key.attributes["Algorithm"]; algorithm[strings.LastIndexAny(algorithm, ":#")+1:] {
	case "hotp":
		e.Type = directory.TypeHOTP
	case "totp":
		e.Type = directory.TypeTOTP
	case "pin":
		return e, at(key, "Algorithm", "the key is a PIN: take its KeyPackage out, the first factor is the directory's password")
	default:
		return e, at(key, "Algorithm", "it is neither the profile of HOTP (%[1]s:hotp) nor of TOTP (%[1]s:totp)", pskcSpace)
	}
	digits := defaultDigits
	e.Digits, e.Algorithm = &digits, defaultAlgorithm
	format, err := key.child("AlgorithmParameters", "ResponseFormat")
	if err != nil {
		return e, err
	}
	if format != nil {
		if encoding := format.attributes["Encoding"]; encoding != "DECIMAL" {
			return e, at(format, "ResponseFormat", "codes are not decimal digits")
		}
		if check := format.attributes["CheckDigits"]; check != "" && check != "false" && check != "0" {
			return e, at(format, "ResponseFormat", "codes have a check digit, which Tandem does not make")
		}
		if digits, err = strconv.Atoi(format.attributes["Length"]); err != nil {
			return e, at(format, "ResponseFormat", "its Length is not a whole number")
		}
	}
	written, err := key.value("AlgorithmParameters", "Suite")
	if err == nil && written != "" {
		e.Algorithm = suite(written)
	}
	return e, err
}

// keyData reads the secret and the moving factors.
func keyData(key *element, keys *containerKeys, e *directory.DeviceEntry, t *Token) ([]byte, error) {
	data, err := key.child("Data")
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, at(key, "Data", "the key itself is not in the file")
	}
	secret, err := data.child("Secret")
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, at(data, "Secret", "the key itself is not in the file")
	}
	raw, plain, err := keys.open(secret)
	if err != nil {
		return nil, err
	}
	if plain {
		if keys != nil {
			return nil, at(secret, "Secret", "it is not encrypted, in a file that says that it is: have the file sent anew")
		}
		text, _ := secret.value("PlainValue")
		if raw, err = decodeBase64(text); err != nil {
			return nil, at(secret, "Secret", "its PlainValue is not base64")
		}
	}
	if len(raw) == 0 {
		return nil, at(secret, "Secret", "it is empty")
	}
	if e.Type == directory.TypeHOTP {
		e.Counter, err = keys.number(data, "Counter", 0)
		return raw, err
	}
	interval, err := keys.number(data, "TimeInterval", defaultPeriod)
	if err != nil {
		return nil, err
	}
	period := int(min(interval, 1<<30))
	e.Period = &period
	drift, err := keys.number(data, "TimeDrift", 0)
	if drift > 0 {
		t.Notes = append(t.Notes, "the clock of the token is off by some steps (TimeDrift), which is not taken over")
	}
	return raw, err
}
