package directory

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"tandem/internal/secret"
)

// llngPrefix marks an encrypted `_secret` of a TOTP or HOTP device. Password devices have the same
// encryption without the mark.
const llngPrefix = "{llngcrypt}"

var (
	errNoCryptKey  = errors.New("the device is encrypted and no devices.llngcrypt_key is configured")
	errBadCryptMAC = errors.New("the encrypted secret does not match its checksum: devices.llngcrypt_key is not the key it was encrypted with, or the value was changed")
)

// urlEscapes are those that LemonLDAP::NG's own decryption undoes, in either case.
var urlEscapes = strings.NewReplacer(
	"%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "=", "%3d", "=", "%0A", "", "%0a", "", "\n", "", "\r", "",
)

// DecryptLLNG opens a secret that LemonLDAP::NG encrypted, with or without its "{llngcrypt}" mark:
// base64 of IV(16) ‖ AES-256-CBC(SHA-256(padded) ‖ padded), with SHA-256 of key as the AES key. The
// plaintext was padded with NULs to full blocks, so NULs at its end are not part of it.
//
// The checksum inside is all that this format has against tampering, and it is not keyed: decrypted
// secrets are as trustworthy as write access to the attribute is well kept.
func DecryptLLNG(stored string, key secret.String) ([]byte, error) {
	if key.Empty() {
		return nil, errNoCryptKey
	}
	encoded := strings.TrimRight(urlEscapes.Replace(strings.TrimPrefix(stored, llngPrefix)), "=")
	sealed, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the encrypted secret is not base64: the value is damaged")
	}
	if len(sealed) < aes.BlockSize+sha256.Size || len(sealed)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("the encrypted secret has %d octets, which is no possible length: the value is damaged", len(sealed))
	}
	block, err := llngCipher(key)
	if err != nil {
		return nil, err
	}
	iv, opened := sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(opened, opened)
	mac, padded := opened[:sha256.Size], opened[sha256.Size:]
	if want := sha256.Sum256(padded); subtle.ConstantTimeCompare(mac, want[:]) != 1 {
		return nil, errBadCryptMAC
	}
	return bytes.TrimRight(padded, "\x00"), nil
}

// EncryptLLNG seals plain as LemonLDAP::NG does, with the "{llngcrypt}" mark; see [DecryptLLNG].
// random gives the IV. NULs at the end of plain are lost: the format cannot tell them from padding.
func EncryptLLNG(plain []byte, key secret.String, random io.Reader) (string, error) {
	if key.Empty() {
		return "", errors.New("encrypting a device's secret: no devices.llngcrypt_key is configured")
	}
	block, err := llngCipher(key)
	if err != nil {
		return "", err
	}
	padded := make([]byte, (len(plain)+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	copy(padded, plain)
	sealed := make([]byte, aes.BlockSize, aes.BlockSize+sha256.Size+len(padded))
	if _, err := io.ReadFull(random, sealed); err != nil {
		return "", fmt.Errorf("encrypting a device's secret: reading random octets: %w", err)
	}
	mac := sha256.Sum256(padded)
	sealed = append(append(sealed, mac[:]...), padded...)
	body := sealed[aes.BlockSize:]
	cipher.NewCBCEncrypter(block, sealed[:aes.BlockSize]).CryptBlocks(body, body)
	return llngPrefix + base64.StdEncoding.EncodeToString(sealed), nil
}

func llngCipher(key secret.String) (cipher.Block, error) {
	digest := sha256.Sum256([]byte(key.Reveal()))
	return aes.NewCipher(digest[:])
}
