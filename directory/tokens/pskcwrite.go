package tokens

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"tandem/directory"
	"tandem/directory/tokens/xmlenc"
	"tandem/internal/secret"
)

// PSKCOptions say how a PSKC file is encrypted: with a shared key, with a password, or, if both are empty, not at all.
type PSKCOptions struct {
	// Key is an AES key of 16, 24 or 32 octets.
	Key secret.String
	// Password is what a key is made of by PBKDF2.
	Password secret.String
	// Random gives salts, keys and initialisation vectors: [crypto/rand.Reader].
	Random io.Reader
}

// How a key is made out of a password: as OWASP advises for HMAC-SHA256 today.
const (
	writtenIterations = 600_000
	writtenSalt       = 16 // octets
	writtenKey        = 32 // octets
)

// WritePSKC writes TOTP and HOTP tokens as a Portable Symmetric Key Container (RFC 6030). Devices must say their
// digits, period and algorithm. What is encrypted has an HMAC-SHA256 under a key of its own. Counters travel with HOTP
// tokens; used codes, scratch codes and notes do not. Nothing is written if there is another device among them.
func WritePSKC(to io.Writer, tokens []Token, o PSKCOptions) error {
	w := &pskcWriter{options: o}
	if err := w.container(tokens); err != nil {
		return fmt.Errorf("write a PSKC file: %w", err)
	}
	if _, err := io.WriteString(to, w.out.String()); err != nil {
		return fmt.Errorf("write a PSKC file: %w", err)
	}
	return nil
}

type pskcWriter struct {
	options PSKCOptions
	out     strings.Builder
	// key and mac are empty if nothing is encrypted.
	key, mac []byte
}

func (w *pskcWriter) container(tokens []Token) error {
	w.out.WriteString(xml.Header + `<KeyContainer Version="1.0" xmlns="` + pskcSpace + `" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"` +
		` xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"` +
		` xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#">` + "\n")
	if err := w.encryption(); err != nil {
		return err
	}
	for i, t := range tokens {
		if err := writable(t); err != nil {
			return err
		}
		if err := w.keyPackage(i+1, t); err != nil {
			return err
		}
	}
	w.out.WriteString("</KeyContainer>\n")
	return nil
}

// encryption writes what keys the file needs.
func (w *pskcWriter) encryption() error {
	switch {
	case !w.options.Key.Empty() && !w.options.Password.Empty():
		return errors.New("there are a key and a password to encrypt it with: it must be one of them")
	case !w.options.Key.Empty():
		w.key = []byte(w.options.Key.Reveal())
		w.out.WriteString(" <EncryptionKey>\n  <ds:KeyName>Pre-shared-key</ds:KeyName>\n </EncryptionKey>\n")
	case !w.options.Password.Empty():
		if err := w.derived(); err != nil {
			return err
		}
	default:
		return nil
	}
	var err error
	if w.mac, err = w.random(writtenKey); err != nil {
		return err
	}
	algorithm, data, err := xmlenc.Encrypt(w.options.Random, w.key, w.mac)
	if err != nil {
		return err
	}
	fmt.Fprintf(&w.out, " <MACMethod Algorithm=\"%s\">\n  <MACKey>%s</MACKey>\n </MACMethod>\n", xmlenc.HMACSHA256, cipherValue(algorithm, data))
	return nil
}

func (w *pskcWriter) derived() error {
	salt, err := w.random(writtenSalt)
	if err != nil {
		return err
	}
	d := xmlenc.Derivation{Salt: salt, Iterations: writtenIterations, Length: writtenKey, PRF: xmlenc.HMACSHA256}
	if w.key, err = d.Key(w.options.Password.Reveal()); err != nil {
		return err
	}
	fmt.Fprintf(&w.out, ` <EncryptionKey>
  <xenc11:DerivedKey>
   <xenc11:KeyDerivationMethod Algorithm="%s">
    <pkcs5:PBKDF2-params>
     <Salt><Specified>%s</Specified></Salt>
     <IterationCount>%d</IterationCount>
     <KeyLength>%d</KeyLength>
     <PRF Algorithm="%s"/>
    </pkcs5:PBKDF2-params>
   </xenc11:KeyDerivationMethod>
  </xenc11:DerivedKey>
 </EncryptionKey>
`, xmlenc.PBKDF2, base64.StdEncoding.EncodeToString(d.Salt), d.Iterations, d.Length, d.PRF)
	return nil
}

func (w *pskcWriter) random(octets int) ([]byte, error) {
	b := make([]byte, octets)
	if _, err := io.ReadFull(w.options.Random, b); err != nil {
		return nil, fmt.Errorf("read random octets: %w", err)
	}
	return b, nil
}

func cipherValue(algorithm string, data []byte) string {
	return `<xenc:EncryptionMethod Algorithm="` + algorithm + `"/><xenc:CipherData><xenc:CipherValue>` +
		base64.StdEncoding.EncodeToString(data) + `</xenc:CipherValue></xenc:CipherData>`
}

func (w *pskcWriter) keyPackage(number int, t Token) error {
	secret, err := w.secret(t.Device)
	if err != nil {
		return err
	}
	w.out.WriteString(" <KeyPackage>\n")
	id := strconv.Itoa(number)
	if t.Serial != "" {
		id = t.Serial
		w.out.WriteString("  <DeviceInfo><SerialNo>" + escaped(t.Serial) + "</SerialNo></DeviceInfo>\n")
	}
	w.out.WriteString(`  <Key Id="` + escaped(id) + `" Algorithm="` + pskcSpace + ":" + strings.ToLower(t.Device.Type) + "\">\n")
	if t.Issuer != "" {
		w.out.WriteString("   <Issuer>" + escaped(t.Issuer) + "</Issuer>\n")
	}
	w.out.WriteString("   <AlgorithmParameters>")
	if t.Device.Algorithm != defaultAlgorithm {
		w.out.WriteString("<Suite>HMAC-" + escaped(t.Device.Algorithm) + "</Suite>")
	}
	fmt.Fprintf(&w.out, "<ResponseFormat Length=\"%d\" Encoding=\"DECIMAL\"/></AlgorithmParameters>\n", t.Device.Digits)
	w.out.WriteString("   <Data>\n    <Secret>" + secret + "</Secret>\n")
	if t.Device.Type == directory.TypeHOTP {
		fmt.Fprintf(&w.out, "    <Counter><PlainValue>%d</PlainValue></Counter>\n", t.Device.Counter)
	} else {
		fmt.Fprintf(&w.out, "    <Time><PlainValue>0</PlainValue></Time>\n    <TimeInterval><PlainValue>%d</PlainValue></TimeInterval>\n", t.Device.Period)
	}
	w.out.WriteString("   </Data>\n")
	if t.User != "" {
		w.out.WriteString("   <UserId>" + escaped(userDN(t.User)) + "</UserId>\n")
	}
	w.out.WriteString("  </Key>\n </KeyPackage>\n")
	return nil
}

// userDN is the user's name as a distinguished name (RFC 6030 §4.3.1). A space at its end is written as its number: readers
// of XML cut off the other form of it.
func userDN(user string) string {
	dn := "UID=" + ldap.EscapeDN(user)
	if plain, found := strings.CutSuffix(dn, `\ `); found {
		dn = plain + `\20`
	}
	return dn
}

func (w *pskcWriter) secret(d directory.Device) (string, error) {
	raw := []byte(d.Secret.Reveal())
	if w.key == nil {
		return "<PlainValue>" + base64.StdEncoding.EncodeToString(raw) + "</PlainValue>", nil
	}
	algorithm, data, err := xmlenc.Encrypt(w.options.Random, w.key, raw)
	if err != nil {
		return "", err
	}
	mac, err := xmlenc.MAC(xmlenc.HMACSHA256, w.mac, data)
	if err != nil {
		return "", err
	}
	return "<EncryptedValue>" + cipherValue(algorithm, data) + "</EncryptedValue><ValueMAC>" + base64.StdEncoding.EncodeToString(mac) + "</ValueMAC>", nil
}

// escaped is text as it stands in XML.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder takes everything
	return b.String()
}
