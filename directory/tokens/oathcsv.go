package tokens

import (
	"encoding/hex"
	"strconv"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
)

// oathCSV reads the tables in which vendors deliver OATH tokens: separated by commas, semicolons or tabs, with or
// without a line of names.
//
// With one, the columns are known by it, in any order, and those that Tandem does not need are skipped. This is how
// Token2, Feitian, SafeNet, Deepnet and others write for Microsoft's cloud and for themselves:
//
//	upn,serial number,secret key,time interval,manufacturer,model
//
// Without one they are what LinOTP and privacyIDEA take:
//
//	serial, key, hotp|totp, digits, period
//
// A table that has a period and no type is one of TOTP tokens, and one that has a counter and no type, of HOTP tokens.
func (r *reader) oathCSV(text string) {
	var rows []row
	r.records(text, separator(text), func(line int, columns []string) { rows = append(rows, row{line, columns}) })
	if len(rows) == 0 || len(r.problems) > 0 {
		return
	}
	t := table{reader: r, places: positional}
	if named, ok := t.header(rows[0]); !ok {
		return
	} else if named {
		rows = rows[1:]
	}
	if !t.encoding(rows) {
		return
	}
	for _, row := range rows {
		t.row(row)
	}
}

// row is one line of the table.
type row struct {
	line    int
	columns []string
}

// separator is what stands most often in the first line that is no comment.
func separator(text string) rune {
	for line := range strings.Lines(text) {
		if t := strings.TrimSpace(line); t == "" || strings.HasPrefix(t, "#") {
			continue
		}
		best := ','
		for _, s := range ";\t" {
			if strings.Count(line, string(s)) > strings.Count(line, string(best)) {
				best = s
			}
		}
		return best
	}
	return ','
}

// columnNames are the names, in small letters and without anything but letters and digits, that vendors have for a column.
var columnNames = map[string]string{
	"upn": "user", "user": "user", "username": "user", "userid": "user", "login": "user", "loginname": "user", "userprincipalname": "user",
	"serial": "serial", "serialnumber": "serial", "serialno": "serial", "sn": "serial", "tokenserial": "serial",
	"tokenserialnumber": "serial", "tokenid": "serial", "deviceserial": "serial", "deviceserialnumber": "serial",
	"secret": "secret", "secretkey": "secret", "seed": "secret", "key": "secret", "tokenkey": "secret", "otpkey": "secret",
	"sharedsecret": "secret", "tokenseed": "secret", "secretseed": "secret", "seedkey": "secret",
	"type": "type", "tokentype": "type", "otptype": "type", "oathtype": "type", "mode": "type",
	"digits": "digits", "otplength": "digits", "otplen": "digits", "codelength": "digits", "otpdigits": "digits", "numberofdigits": "digits",
	"period": "period", "timeinterval": "period", "timestep": "period", "interval": "period", "step": "period", "timeperiod": "period",
	"timeintervalseconds": "period", "timestepseconds": "period", "intervalseconds": "period", "intervals": "period", "timesteps": "period",
	"algorithm": "algorithm", "hash": "algorithm", "hashalgorithm": "algorithm", "hashlib": "algorithm", "hmac": "algorithm",
	"hmacalgorithm": "algorithm", "suite": "algorithm", "otpalgorithm": "algorithm",
	"counter": "counter", "movingfactor": "counter", "eventcounter": "counter", "initialcounter": "counter", "hotpcounter": "counter",
}

// positional is where columns stand in a table without names.
var positional = map[string]int{"serial": 0, "secret": 1, "type": 2, "digits": 3, "period": 4}

// table is a table whose columns are known.
type table struct {
	*reader
	// places says in which column a field stands.
	places map[string]int
	named  bool
	// base32 or hex is set: how the keys are written.
	base32, hex bool
}

// header reads the names of the columns, if the first row has any.
func (t *table) header(first row) (named, ok bool) {
	places := map[string]int{}
	isBase32, isHex := false, false
	for i, written := range first.columns {
		name := strings.Map(func(c rune) rune {
			if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
				return c
			}
			return -1
		}, strings.ToLower(written))
		field := columnNames[name]
		for _, encoding := range []string{"base32", "b32", "hexadecimal", "hex"} {
			plain := strings.Replace(name, encoding, "", 1)
			if plain != name && (plain == "" || columnNames[plain] == "secret") {
				field = "secret"
				isBase32, isHex = encoding[0] == 'b', encoding[0] == 'h'
			}
		}
		if field == "" {
			continue
		}
		if _, twice := places[field]; twice {
			t.fail(first.line, field, "two columns have names for it: take one out")
			return true, false
		}
		places[field] = i
	}
	_, hasSecret := places["secret"]
	switch {
	case hasSecret:
		t.places, t.named, t.base32, t.hex = places, true, isBase32, isHex
		return true, true
	case len(places) > 1:
		t.fail(first.line, "secret", "no column has a name for it, such as \"secret key\" or \"seed\"")
		return true, false
	}
	return false, true
}

// encoding finds out how the keys are written, if no name of a column says it: all of a file in one way. Digits and the
// letters A to F alone are hexadecimal: in base32 that never happens by chance.
func (t *table) encoding(rows []row) bool {
	if t.base32 || t.hex {
		return true
	}
	onlyHex, onlyBase32 := 0, 0 // a line of which it is certain
	for _, row := range rows {
		key := strings.ToUpper(t.get(row, "secret"))
		isHex := strings.Trim(key, "0123456789ABCDEF") == ""
		isBase32 := strings.Trim(strings.TrimRight(key, "="), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
		switch {
		case isHex && !isBase32:
			onlyHex = row.line
		case isBase32 && !isHex:
			onlyBase32 = row.line
		}
	}
	if onlyHex > 0 && onlyBase32 > 0 {
		t.fail(0, "secret", "line %d looks hexadecimal and line %d like base32: name the column \"secret hex\" or \"secret base32\", and mend the others", onlyHex, onlyBase32)
		return false
	}
	t.base32 = onlyBase32 > 0
	t.hex = !t.base32
	return true
}

// get is a field of the row without the white space around it; empty if there is no such column.
func (t *table) get(r row, field string) string {
	if place, there := t.places[field]; there && place < len(r.columns) {
		return r.columns[place]
	}
	return ""
}

func (t *table) row(r row) {
	before := len(t.problems)
	e := directory.DeviceEntry{Type: t.kind(r), Algorithm: t.algorithm(r)}
	digits := t.number(r, "digits", defaultDigits)
	e.Digits = &digits
	var key []byte
	switch written := t.get(r, "secret"); {
	case written == "":
		t.fail(r.line, "secret", "it is empty")
	case t.base32:
		e.Secret = secret.New(strings.TrimRight(written, "="))
	default:
		var err error
		if key, err = hex.DecodeString(strings.ReplaceAll(written, " ", "")); err != nil {
			t.fail(r.line, "secret", "it is not hexadecimal")
		}
	}
	switch e.Type {
	case directory.TypeTOTP:
		period := t.number(r, "period", defaultPeriod)
		e.Period = &period
	case directory.TypeHOTP:
		if counter := t.get(r, "counter"); counter != "" {
			var err error
			if e.Counter, err = strconv.ParseUint(counter, 10, 63); err != nil {
				t.fail(r.line, "counter", "it is not a whole number from 0")
			}
		}
	}
	if len(t.problems) > before {
		return
	}
	token := Token{Line: r.line, User: t.get(r, "user"), Serial: t.get(r, "serial")}
	var ok bool
	if token.Device, ok = t.device(r.line, e, key); ok {
		t.add(token)
	}
}

// kind is TOTP or HOTP; empty if it is neither, which is told then.
func (t *table) kind(r row) string {
	switch written := strings.ToUpper(t.get(r, "type")); {
	case strings.Contains(written, "TOTP") || written == "TIME" || written == "TIME-BASED":
		return directory.TypeTOTP
	case strings.Contains(written, "HOTP") || written == "EVENT" || written == "EVENT-BASED":
		return directory.TypeHOTP
	case written != "":
		t.fail(r.line, "type", "it is neither TOTP nor HOTP")
		return ""
	}
	_, byTime := t.places["period"]
	_, byCounter := t.places["counter"]
	switch {
	case t.named && byTime && !byCounter:
		return directory.TypeTOTP
	case t.named && byCounter && !byTime:
		return directory.TypeHOTP
	case t.options.Type != "":
		return t.options.Type
	}
	t.fail(r.line, "type", "the file does not say whether the tokens are TOTP or HOTP: say it on the command line, or in a column named type")
	return ""
}

func (t *table) algorithm(r row) string {
	written := strings.ToUpper(t.get(r, "algorithm"))
	if written == "" {
		return defaultAlgorithm
	}
	return suite(written)
}

// suite drops what some write before the name of the hash: "HMAC-SHA256", "HmacSHA256".
func suite(written string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(written), "HMAC"), "-")
}

// number is a field of the row, or, if the file does not say it, what holds then.
func (t *table) number(r row, field string, unset int) int {
	written := t.get(r, field)
	if written == "" {
		return unset
	}
	n, err := strconv.Atoi(written)
	if err != nil {
		t.fail(r.line, field, "it is not a whole number")
	}
	return n
}
