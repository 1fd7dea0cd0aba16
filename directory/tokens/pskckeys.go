package tokens

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"tandem/directory/tokens/xmlenc"
)

// containerKeys decrypt what is in one container. They are nil if it is not encrypted.
type containerKeys struct {
	encryption []byte
	// macAlgorithm is empty if there are no MACs.
	macAlgorithm string
	mac          []byte
}

// containerKeys finds the keys of the file: with what it names, and what the caller knows.
func (r *reader) containerKeys(root *element) (*containerKeys, error) {
	encryption, err := root.child("EncryptionKey")
	if err == nil && encryption == nil && (!r.options.Key.Empty() || !r.options.Password.Empty()) {
		err = at(root, "EncryptionKey", "the file is not encrypted, and a key or password was given for it: whoever changed it on its way could have put keys of their own there")
	}
	if err != nil || encryption == nil {
		return nil, err
	}
	k := &containerKeys{encryption: []byte(r.options.Key.Reveal())}
	derived, err := encryption.child("DerivedKey")
	if err != nil {
		return nil, err
	}
	certificate, err := encryption.child("X509Data")
	switch {
	case err != nil:
		return nil, err
	case certificate != nil:
		return nil, at(certificate, "EncryptionKey", "the file is encrypted for a certificate: decrypt it first, with the certificate's key (`xmlsec1 --decrypt`)")
	case derived != nil && r.options.Password.Empty():
		return nil, at(derived, "EncryptionKey", "the file is encrypted with a password: it is needed")
	case derived != nil:
		if k.encryption, err = r.derive(derived); err != nil {
			return nil, err
		}
	case len(k.encryption) == 0:
		return nil, at(encryption, "EncryptionKey", "the file is encrypted with a shared key: it is needed")
	}
	method, err := root.child("MACMethod")
	if err != nil || method == nil {
		return k, err
	}
	k.macAlgorithm, k.mac = method.attributes["Algorithm"], k.encryption // RFC 6030 §6.1.1: without a MACKey it is the same
	wrapped, err := method.child("MACKey")
	if err != nil || wrapped == nil {
		return k, err
	}
	if _, k.mac, err = k.decrypt(wrapped, "MACKey"); err != nil {
		return nil, err
	}
	return k, nil
}

// derive makes the key out of the password (RFC 6030 §6.2).
func (r *reader) derive(derived *element) ([]byte, error) {
	method, err := derived.child("KeyDerivationMethod")
	if err != nil {
		return nil, err
	}
	if method == nil || !xmlenc.Derives(method.attributes["Algorithm"]) {
		return nil, at(derived, "KeyDerivationMethod", "it is not PBKDF2")
	}
	params, err := method.child("PBKDF2-params")
	if err != nil {
		return nil, err
	}
	if params == nil {
		return nil, at(method, "PBKDF2-params", "it is missing")
	}
	var d xmlenc.Derivation
	salt, err := params.value("Salt", "Specified")
	if err != nil {
		return nil, err
	}
	if d.Salt, err = decodeBase64(salt); err != nil {
		return nil, at(params, "Salt", "it is not base64")
	}
	if d.Iterations, err = params.whole("IterationCount"); err != nil {
		return nil, err
	}
	if d.Length, err = params.whole("KeyLength"); err != nil {
		return nil, err
	}
	prf, err := params.child("PRF")
	if err != nil {
		return nil, err
	}
	if prf != nil {
		d.PRF = prf.attributes["Algorithm"]
	}
	key, err := d.Key(r.options.Password.Reveal())
	if err != nil {
		return nil, at(params, "PBKDF2-params", "%v", err)
	}
	return key, nil
}

// open decrypts the EncryptedValue of e and checks its ValueMAC. plain: there is a PlainValue instead.
func (k *containerKeys) open(e *element) (raw []byte, plain bool, err error) {
	value, err := e.child("EncryptedValue")
	if err != nil {
		return nil, false, err
	}
	clear, err := e.child("PlainValue")
	switch {
	case err != nil:
		return nil, false, err
	case (value == nil) == (clear == nil):
		return nil, false, at(e, e.name, "there must be a PlainValue or an EncryptedValue in it")
	case clear != nil:
		return nil, true, nil
	case k == nil:
		return nil, false, at(e, e.name, "it is encrypted, and the file does not say with what: it has no EncryptionKey")
	}
	// The MAC is that of what is encrypted (RFC 6030 §6.1.1), and looked at first.
	cipherText, raw, err := k.decrypt(value, e.name)
	if cipherText == nil {
		return nil, false, err
	}
	if wrong := k.checkMAC(e, value, cipherText); wrong != nil {
		return nil, false, wrong
	}
	return raw, false, err
}

func (k *containerKeys) checkMAC(e, value *element, cipherText []byte) error {
	written, err := e.value("ValueMAC")
	if err != nil {
		return err
	}
	if written == "" || k.macAlgorithm == "" {
		algorithm, err := encryptionMethod(value)
		if err == nil && !xmlenc.ChecksItself(algorithm) {
			err = at(e, "ValueMAC", "there is none, so that nobody could tell whether the key is the right one (RFC 6030 §6.1.1)")
		}
		return err
	}
	mac, err := decodeBase64(written)
	if err != nil {
		return at(e, "ValueMAC", "it is not base64")
	}
	if err := xmlenc.CheckMAC(k.macAlgorithm, k.mac, cipherText, mac); err != nil {
		return at(e, "ValueMAC", "%v", err)
	}
	return nil
}

func encryptionMethod(value *element) (string, error) {
	method, err := value.child("EncryptionMethod")
	if err != nil {
		return "", err
	}
	if method == nil {
		return "", at(value, "EncryptionMethod", "it is missing")
	}
	return method.attributes["Algorithm"], nil
}

// decrypt decrypts a value of XML Encryption. If only that fails, cipherText is there.
func (k *containerKeys) decrypt(value *element, field string) (cipherText, plain []byte, err error) {
	algorithm, err := encryptionMethod(value)
	if err != nil {
		return nil, nil, err
	}
	written, err := value.value("CipherData", "CipherValue")
	if err != nil {
		return nil, nil, err
	}
	cipherText, err = decodeBase64(written)
	if err != nil || len(cipherText) == 0 {
		return nil, nil, at(value, field, "its CipherValue is not there, or not base64")
	}
	if plain, err = xmlenc.Decrypt(algorithm, k.encryption, cipherText); err != nil {
		return cipherText, nil, at(value, field, "it cannot be decrypted: %v", err)
	}
	return cipherText, plain, nil
}

// number reads a Counter or the like: decimal if it is plain, and big-endian octets if it is encrypted.
func (k *containerKeys) number(data *element, name string, unset uint64) (uint64, error) {
	e, err := data.child(name)
	if err != nil || e == nil {
		return unset, err
	}
	raw, plain, err := k.open(e)
	if err != nil {
		return 0, err
	}
	if plain {
		text, _ := e.value("PlainValue")
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return 0, at(e, name, "it is not a whole number from 0")
		}
		return n, nil
	}
	if len(raw) == 0 || len(raw) > 8 {
		return 0, at(e, name, "it is not a number of 1 to 8 octets")
	}
	var octets [8]byte
	copy(octets[8-len(raw):], raw)
	return binary.BigEndian.Uint64(octets[:]), nil
}

// decodeBase64 reads base64 with the white space that XML lets stand in it.
func decodeBase64(written string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(written), ""))
}
