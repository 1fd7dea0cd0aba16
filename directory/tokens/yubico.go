package tokens

import (
	"encoding/hex"
	"strconv"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
)

// yubicoCSV reads what Yubico's programs log of the keys that they wrote into YubiKeys. It comes in two forms, told apart
// by the first column:
//
//	Yubico OTP,DATE,SLOT,PUBLIC ID,PRIVATE ID,AES KEY,…      the Personalization Tool's "traditional" log
//	OATH-HOTP,DATE,SLOT,TOKEN ID,,KEY,,,0,0,0,DIGITS,COUNTER,…
//	SERIAL,PUBLIC ID,PRIVATE ID,AES KEY,ACCESS CODE,DATE,    its "Yubico format", and that of `ykman otp yubiotp`
//	SERIAL,TOKEN ID,COUNTER,KEY,ACCESS CODE,DATE,            the same for OATH-HOTP
//
// Lines of anything but Yubico OTP and OATH-HOTP are problems: a static password is no second factor.
func (r *reader) yubicoCSV(text string) {
	r.records(text, ',', func(line int, columns []string) {
		switch first := columns[0]; {
		case strings.EqualFold(first, "LOGGING START"):
		case strings.EqualFold(first, "Yubico OTP"), strings.EqualFold(first, "OATH-HOTP"):
			r.yubicoTraditional(line, columns)
		case first != "" && strings.Trim(first, "0123456789") == "":
			r.yubicoFormat(line, columns)
		case strings.HasPrefix(first, "Static Password"), strings.HasPrefix(first, "Challenge-Response"):
			r.fail(line, "", "the slot holds no one-time codes: take the line out")
		default:
			r.fail(line, "", "the first column is neither a serial number nor one of Yubico OTP and OATH-HOTP")
		}
	})
}

// traditionalColumns are those of the traditional log, where its date has no comma in it.
const traditionalColumns = 18

func (r *reader) yubicoTraditional(line int, columns []string) {
	if extra := len(columns) - traditionalColumns; extra > 0 && extra <= 3 {
		columns = append(columns[:1:1], columns[1+extra:]...) // the date is as the desktop writes it, with its commas
	}
	if len(columns) < 6 {
		r.fail(line, "", "it has %d columns, fewer than 6", len(columns))
		return
	}
	id, private, key := columns[3], columns[4], columns[5]
	if strings.EqualFold(columns[0], "Yubico OTP") {
		r.yubikey(Token{Line: line}, id, private, key)
		return
	}
	if len(columns) < 13 {
		r.fail(line, "", "it has %d columns: the digits are in the 12th, and the counter is in the 13th", len(columns))
		return
	}
	t := Token{Line: line}
	for _, typed := range columns[8:11] {
		if typed != "0" {
			t.Notes = append(t.Notes, typesIdentity)
			break
		}
	}
	r.yubikeyHOTP(t, columns[11], columns[12], key)
}

const typesIdentity = "the YubiKey may type its token identifier before each code, which makes the code wrong: configure it without"

func (r *reader) yubicoFormat(line int, columns []string) {
	if len(columns) < 4 {
		r.fail(line, "", "it has %d columns, fewer than 4", len(columns))
		return
	}
	t := Token{Line: line, Serial: columns[0]}
	id, second, key := columns[1], columns[2], columns[3]
	switch {
	case len(second) == 12:
		r.yubikey(t, id, second, key)
	case second == "":
		r.fail(line, "private id", "it is empty: the slot holds a static password, take the line out")
	default:
		if id != "" {
			t.Notes = append(t.Notes, typesIdentity)
		}
		t.Notes = append(t.Notes, "the file does not say how long the codes are: 6 digits")
		r.yubikeyHOTP(t, "6", second, key)
	}
}

func (r *reader) yubikey(t Token, id, private, key string) {
	d, ok := r.device(t.Line, directory.DeviceEntry{
		Type: directory.TypeYubikey, PublicID: id, PrivateID: secret.New(private), AESKey: secret.New(key),
	}, nil)
	switch {
	case !ok:
	case d.Secret.Empty():
		r.fail(t.Line, "aes_key", "it is empty")
	default:
		t.Device = d
		r.add(t)
	}
}

func (r *reader) yubikeyHOTP(t Token, digits, counter, key string) {
	e := directory.DeviceEntry{Type: directory.TypeHOTP, Algorithm: defaultAlgorithm}
	n, err := strconv.Atoi(digits)
	if err != nil {
		r.fail(t.Line, "digits", "it is not a whole number")
		return
	}
	e.Digits = &n
	if e.Counter, err = strconv.ParseUint(counter, 10, 63); err != nil {
		r.fail(t.Line, "counter", "it is not a whole number from 0")
		return
	}
	raw, err := hex.DecodeString(key)
	if err != nil || len(raw) != 20 {
		r.fail(t.Line, "secret", "it is not 40 hexadecimal digits")
		return
	}
	var ok bool
	if t.Device, ok = r.device(t.Line, e, raw); ok {
		r.add(t)
	}
}
