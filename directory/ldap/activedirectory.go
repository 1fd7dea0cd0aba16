package ldap

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"tandem/directory"
)

// What a domain controller keeps in a user's entry beside what is configured (MS-ADA).
const (
	userAccountControl = "userAccountControl"
	accountExpires     = "accountExpires"
	primaryGroupID     = "primaryGroupID"
	objectSID          = "objectSid"
)

// accountDisabled is the bit ADS_UF_ACCOUNTDISABLE of userAccountControl (MS-ADTS §2.2.16).
const accountDisabled = 0x2

// conditionOf says why the account of e may not log in at now, or "". Where a code alone is asked for, or after an SSH
// key, there is no bind that would tell. An entry that does not show it is an error: it may be disabled.
func conditionOf(e *goldap.Entry, now time.Time) (directory.Condition, error) {
	flags, err := number(e, userAccountControl, 32)
	if err != nil {
		return "", err
	}
	expires, err := number(e, accountExpires, 64)
	if err != nil {
		return "", err
	}
	switch {
	case flags&accountDisabled != 0:
		return directory.AccountDisabled, nil
	case expires != 0 && expires != math.MaxInt64 && !now.Before(fileTime(expires)):
		return directory.AccountExpired, nil
	}
	return "", nil
}

// fileTime is a time in tenths of a microsecond since 1601 (MS-DTYP §2.3.3).
func fileTime(ticks int64) time.Time {
	const perSecond, from1601to1970 = 10_000_000, 11_644_473_600
	return time.Unix(ticks/perSecond-from1601to1970, ticks%perSecond*100)
}

func number(e *goldap.Entry, name string, bits int) (int64, error) {
	text := first(e, name)
	if text == "" {
		return 0, fmt.Errorf("the entry %q shows no attribute %s to the service account: let the account read it (Active Directory's "+
			"property set Account Restrictions)", e.DN, name)
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("the entry %q has %q as its %s, which is no number", e.DN, text, name)
	}
	return n, nil
}

// primaryGroup reads the group that a user is in without being among its members: "Domain Users", mostly.
func (d *Directory) primaryGroup(ctx context.Context, c *conn, user *goldap.Entry) (*goldap.Entry, error) {
	sid, err := primaryGroupSID(user)
	if err != nil {
		return nil, err
	}
	entries, err := c.search(ctx, &goldap.SearchRequest{
		BaseDN:       "<SID=" + hex.EncodeToString(sid) + ">", // MS-ADTS §3.1.1.3.1.2.4
		Scope:        goldap.ScopeBaseObject,
		DerefAliases: goldap.NeverDerefAliases,
		TimeLimit:    seconds(d.config.OperationTimeout),
		Filter:       "(objectClass=group)",
		Attributes:   []string{d.config.Groups.NameAttribute},
	})
	if err != nil {
		return nil, failed(fmt.Sprintf("read the primary group of %q", user.DN), err)
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("the primary group of %q is not shown to the service account: let the account read it", user.DN)
	}
	return entries[0], nil
}

// primaryGroupSID is the user's own SID with the group's number in the last place (MS-DTYP §2.4.2.2).
func primaryGroupSID(user *goldap.Entry) ([]byte, error) {
	rid, err := number(user, primaryGroupID, 64)
	if err != nil {
		return nil, err
	}
	a := attribute(user, objectSID)
	if a == nil || len(a.ByteValues) != 1 {
		return nil, fmt.Errorf("the entry %q shows no attribute %s to the service account: let the account read it", user.DN, objectSID)
	}
	sid := append([]byte(nil), a.ByteValues[0]...)
	if len(sid) < 12 || len(sid) != 8+4*int(sid[1]) || rid < 0 || rid > math.MaxUint32 {
		return nil, fmt.Errorf("the entry %q has an %s of %d octets and the %s %d, which name no group", user.DN, objectSID, len(sid), primaryGroupID, rid)
	}
	binary.LittleEndian.PutUint32(sid[len(sid)-4:], uint32(rid))
	return sid, nil
}

// subCode finds the number (MS-ERREF §2.2, hexadecimal) that says more than "invalid credentials" (49).
var subCode = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-f]{1,8})\b`)

// subCodes are those that mean more than a wrong password (52e) or no such user (525). All but the last come only to who
// has sent the right password, which the tests see in Samba; docs/active-directory.md has the table.
var subCodes = map[string]directory.AccountError{
	"530": {Condition: directory.OutsideHours, PasswordRight: true},
	"531": {Condition: directory.OtherWorkstation, PasswordRight: true},
	"532": {Condition: directory.PasswordExpired, PasswordRight: true},
	"533": {Condition: directory.AccountDisabled, PasswordRight: true},
	"701": {Condition: directory.AccountExpired, PasswordRight: true},
	"773": {Condition: directory.PasswordMustChange, PasswordRight: true},
	"775": {Condition: directory.LockedOut},
}

// refusal is what a bind as dn that was refused with err means. It has only the text of err: this is the answer, and
// no other server is to be asked.
func refusal(dn string, err error) error {
	detail := fmt.Sprintf("to the bind as %q %s", dn, err.Error())
	var answer *answerError
	if errors.As(err, &answer) && answer.answer.ResultCode == goldap.LDAPResultInvalidCredentials {
		if found := subCode.FindStringSubmatch(answer.answer.Err.Error()); found != nil {
			if known, ok := subCodes[found[1]]; ok {
				known.CountsAs, known.Detail = directory.ErrWrongPassword, detail
				return &known
			}
		}
	}
	return fmt.Errorf("%w: %s", directory.ErrWrongPassword, detail)
}

// guid writes a GUID's 16 octets as text: the first three fields stand in them backwards (MS-DTYP §2.3.4).
func guid(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}
