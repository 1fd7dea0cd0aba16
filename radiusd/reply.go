package radiusd

import (
	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tandem/verify"
)

// maxValue is how many octets the value of an attribute may have.
const maxValue = 253

// reply is an encoded answer and the request that it belongs to.
type reply struct {
	request *request
	code    radius.Code
	raw     []byte
}

// replyCode is what an outcome is on the wire. Everything but a clear yes or a challenge is a no.
func replyCode(o verify.Outcome) radius.Code {
	switch o {
	case verify.Accept:
		return radius.CodeAccessAccept
	case verify.Challenge:
		return radius.CodeAccessChallenge
	case verify.Reject, verify.Unavailable:
	}
	return radius.CodeAccessReject
}

// encodeReply makes the reply to request that says v: Message-Authenticator first, what v has to
// say, the attributes that an Accept carries, and the request's Proxy-States unchanged and in order (RFC 2865 §5.33).
func (d *dictionary) encodeReply(request *radius.Packet, v verify.Verdict, c *Client) ([]byte, error) {
	answer := request.Response(replyCode(v.Outcome))
	if v.Outcome == verify.Challenge {
		answer.Add(rfc2865.State_Type, v.State)
	}
	for _, text := range texts(v) {
		for _, piece := range c.Charset.split(c.Charset.encode(text), maxValue) {
			answer.Add(rfc2865.ReplyMessage_Type, piece)
		}
	}
	if v.Outcome == verify.Challenge {
		answer.Add(rfc2865.SessionTimeout_Type, radius.NewInteger(uint32(max(v.Lifetime, 0))))
		answer.Add(rfc2869.Prompt_Type, radius.NewInteger(uint32(prompt(v))))
	}
	if v.Outcome == verify.Accept {
		if err := d.add(answer, request, v.Attributes); err != nil {
			return nil, err
		}
	}
	for _, a := range request.Attributes {
		if a.Type == rfc2865.ProxyState_Type {
			answer.Add(a.Type, a.Attribute)
		}
	}
	return c.key.Encode(answer)
}

// prompt tells the NAS whether to show what the user types (RFC 2869 §5.10).
func prompt(v verify.Verdict) rfc2869.Prompt {
	if v.Echo {
		return rfc2869.Prompt_Value_Echo
	}
	return rfc2869.Prompt_Value_NoEcho
}
