package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	goldap "github.com/go-ldap/ldap/v3"
)

// failed says what was tried, why it failed and, where that is known, what to do.
func failed(what string, err error) error {
	if advice := remedy(err); advice != "" {
		return fmt.Errorf("cannot %s: %w (%s)", what, err, advice)
	}
	return fmt.Errorf("cannot %s: %w", what, err)
}

func remedy(err error) string {
	var (
		unknownCA x509.UnknownAuthorityError
		wrongName x509.HostnameError
		notTLS    tls.RecordHeaderError
		noHost    *net.DNSError
		slow      *slowError
		answer    *answerError
	)
	switch {
	case errors.As(err, &unknownCA):
		return "name the authority that signed the server's certificate in CAFile"
	case errors.As(err, &wrongName):
		return "use a host name that the certificate carries, in the URL or as ServerName"
	case errors.As(err, &notTLS):
		return "this port does not speak TLS; use the server's ldaps:// port, or ldap:// with StartTLS"
	case errors.Is(err, io.EOF):
		return "the server hung up; check that this port is for TLS, and that the server's log says nothing"
	case errors.As(err, &noHost):
		return "check the host in the URL"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check that the server runs, and listens on this port"
	case errors.As(err, &slow):
		return "the server or the network hangs, or is slower than the configured time-outs"
	case errors.As(err, &answer):
		return answerRemedy(answer.answer.ResultCode)
	}
	return ""
}

func answerRemedy(code uint16) string {
	switch code {
	case goldap.LDAPResultReferral:
		return "referrals are never followed; name the server that holds the entries in URLs"
	case goldap.LDAPResultNoSuchObject:
		return "check that this DN exists on the server and that the service account may see it"
	case goldap.LDAPResultInvalidCredentials:
		return "check the DN and the password, and whether the account is locked"
	case goldap.LDAPResultInsufficientAccessRights:
		return "give the service account the right to search and read there"
	case goldap.LDAPResultSizeLimitExceeded, goldap.LDAPResultTimeLimitExceeded, goldap.LDAPResultAdminLimitExceeded:
		return "raise the server's limits for the service account, and index the attributes of the filter"
	case goldap.LDAPResultConfidentialityRequired, goldap.LDAPResultStrongAuthRequired:
		return "the server wants TLS; use ldaps:// or StartTLS"
	case goldap.LDAPResultOperationsError:
		return "some servers answer so to who has not logged in; set BindDN and BindPassword"
	case goldap.LDAPResultProtocolError:
		return "the server does not know this operation; for StartTLS, give it a certificate"
	}
	return ""
}
