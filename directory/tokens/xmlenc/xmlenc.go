// Package xmlenc encrypts and signs as XML documents say by name: the algorithms of XML Encryption and XML Signature
// that key containers (PSKC, RFC 6030 §6) use with a shared key or a password.
//
// It knows octets and names, no XML. There is nothing for certificates in it.
package xmlenc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
)

// Names of algorithms that are written; [Encrypt] says which cipher it used.
const (
	HMACSHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	PBKDF2     = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2"
)

var (
	// ErrUnknown means that an algorithm has a name that is not known here.
	ErrUnknown = errors.New("the algorithm is not supported")
	// ErrCorrupt means that something was encrypted with another key, or changed since.
	ErrCorrupt = errors.New("the key or password is wrong, or the data was changed")
)

// encryption is how one algorithm decrypts.
type encryption struct {
	keyLength int
	decrypt   func(key, data []byte) ([]byte, error)
	// checks: it notices a wrong key or changed data by itself, without a MAC.
	checks bool
}

var encryptions = map[string]encryption{
	"http://www.w3.org/2001/04/xmlenc#aes128-cbc": {16, decryptCBC, false},
	"http://www.w3.org/2001/04/xmlenc#aes192-cbc": {24, decryptCBC, false},
	"http://www.w3.org/2001/04/xmlenc#aes256-cbc": {32, decryptCBC, false},
	"http://www.w3.org/2001/04/xmlenc#kw-aes128":  {16, unwrap, true},
	"http://www.w3.org/2001/04/xmlenc#kw-aes192":  {24, unwrap, true},
	"http://www.w3.org/2001/04/xmlenc#kw-aes256":  {32, unwrap, true},
}

// ChecksItself reports whether what the algorithm encrypted needs no MAC beside it.
func ChecksItself(algorithm string) bool { return encryptions[algorithm].checks }

// Decrypt decrypts data: with AES in CBC mode the initialisation vector is its first 16 octets (XML Encryption
// §5.2.2); with AES key wrap (RFC 3394) the data is all there is. The error is [ErrUnknown], [ErrCorrupt], or says
// which length the key must have.
func Decrypt(algorithm string, key, data []byte) ([]byte, error) {
	e, known := encryptions[algorithm]
	switch {
	case !known:
		return nil, ErrUnknown
	case len(key) != e.keyLength:
		return nil, fmt.Errorf("the key has %d bits, and the file was encrypted with one of %d", len(key)*8, e.keyLength*8)
	}
	return e.decrypt(key, data)
}

func decryptCBC(key, data []byte) ([]byte, error) {
	if len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return nil, ErrCorrupt
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(data)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(plain, data[aes.BlockSize:])
	padding := int(plain[len(plain)-1]) // the octets before it may be anything
	if padding < 1 || padding > aes.BlockSize {
		return nil, ErrCorrupt
	}
	return plain[:len(plain)-padding], nil
}

// Encrypt encrypts with AES in CBC mode, and says by which algorithm: the key has 16, 24 or 32 octets. random gives
// the initialisation vector.
func Encrypt(random io.Reader, key, plain []byte) (algorithm string, data []byte, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, fmt.Errorf("the key has %d octets: it must be 16, 24 or 32", len(key))
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	padded := slices.Concat(plain, make([]byte, padding))
	padded[len(padded)-1] = byte(padding)
	iv := make([]byte, aes.BlockSize)
	if _, err := io.ReadFull(random, iv); err != nil {
		return "", nil, fmt.Errorf("read random octets: %w", err)
	}
	encrypted := make([]byte, len(padded))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(encrypted, padded)
	return fmt.Sprintf("http://www.w3.org/2001/04/xmlenc#aes%d-cbc", len(key)*8), slices.Concat(iv, encrypted), nil
}

// hashes are known by the ends of the names that HMAC has in XML Signature, in its later additions and in PKCS #5.
var hashes = map[string]func() hash.Hash{
	"hmac-sha1":   sha1.New,
	"hmac-sha256": sha256.New,
	"hmac-sha384": sha512.New384,
	"hmac-sha512": sha512.New,
}

func hmacOf(algorithm string) (func() hash.Hash, error) {
	if h, known := hashes[strings.ToLower(algorithm[strings.LastIndex(algorithm, "#")+1:])]; known {
		return h, nil
	}
	return nil, ErrUnknown
}

// MAC is the HMAC of data by an algorithm of that name.
func MAC(algorithm string, key, data []byte) ([]byte, error) {
	h, err := hmacOf(algorithm)
	if err != nil {
		return nil, err
	}
	m := hmac.New(h, key)
	m.Write(data)
	return m.Sum(nil), nil
}

// CheckMAC compares in constant time. The error is [ErrUnknown] or [ErrCorrupt].
func CheckMAC(algorithm string, key, data, mac []byte) error {
	want, err := MAC(algorithm, key, data)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, mac) != 1 {
		return ErrCorrupt
	}
	return nil
}
