package exchange

import (
	goldap "github.com/go-ldap/ldap/v3"
)

// The tags of requests and answers (RFC 4511 §4.2 to §4.14): class, form and number in one octet, as it is on the wire.
const (
	tagBind             = 0x60 // [APPLICATION 0], constructed
	tagBindResponse     = 0x61
	tagUnbind           = 0x42 // [APPLICATION 2], primitive
	tagSearch           = 0x63
	tagSearchEntry      = 0x64
	tagSearchDone       = 0x65
	tagModify           = 0x66
	tagModifyResponse   = 0x67
	tagAdd              = 0x68
	tagAddResponse      = 0x69
	tagSearchReference  = 0x73
	tagExtendedResponse = 0x78
	tagIntermediate     = 0x79
	tagSimple           = 0x80 // [0] of AuthenticationChoice: the password
)

// version of the protocol.
const version = 3

// appendBind appends a BindRequest with simple authentication.
func appendBind(b []byte, dn, password string) []byte {
	b, at := begin(b, tagBind)
	b = appendInteger(b, tagInteger, version)
	b = appendText(b, tagOctets, dn)
	b = appendText(b, tagSimple, password)
	return end(b, at)
}

// appendSearch appends a SearchRequest (RFC 4511 §4.5.1); filter is encoded already.
func appendSearch(b []byte, r *goldap.SearchRequest, filter []byte) []byte {
	b, at := begin(b, tagSearch)
	b = appendText(b, tagOctets, r.BaseDN)
	b = appendInteger(b, tagEnumerated, int64(r.Scope))
	b = appendInteger(b, tagEnumerated, int64(r.DerefAliases))
	b = appendInteger(b, tagInteger, int64(r.SizeLimit))
	b = appendInteger(b, tagInteger, int64(r.TimeLimit))
	b = appendBoolean(b, r.TypesOnly)
	b = append(b, filter...)
	b, list := begin(b, tagSequence)
	for _, a := range r.Attributes {
		b = appendText(b, tagOctets, a)
	}
	return end(end(b, list), at)
}

// appendModify appends a ModifyRequest (RFC 4511 §4.6).
func appendModify(b []byte, r *goldap.ModifyRequest) []byte {
	b, at := begin(b, tagModify)
	b = appendText(b, tagOctets, r.DN)
	b, list := begin(b, tagSequence)
	for _, change := range r.Changes {
		var one int
		b, one = begin(b, tagSequence)
		b = appendInteger(b, tagEnumerated, int64(change.Operation))
		b = appendAttribute(b, change.Modification.Type, change.Modification.Vals)
		b = end(b, one)
	}
	return end(end(b, list), at)
}

// appendAdd appends an AddRequest (RFC 4511 §4.7).
func appendAdd(b []byte, r *goldap.AddRequest) []byte {
	b, at := begin(b, tagAdd)
	b = appendText(b, tagOctets, r.DN)
	b, list := begin(b, tagSequence)
	for _, a := range r.Attributes {
		b = appendAttribute(b, a.Type, a.Vals)
	}
	return end(end(b, list), at)
}

// appendAttribute appends a PartialAttribute (RFC 4511 §4.1.7).
func appendAttribute(b []byte, name string, values []string) []byte {
	b, at := begin(b, tagSequence)
	b = appendText(b, tagOctets, name)
	b, set := begin(b, tagSet)
	for _, v := range values {
		b = appendText(b, tagOctets, v)
	}
	return end(end(b, set), at)
}
