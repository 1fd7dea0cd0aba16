package radiusd

import (
	"fmt"
	"sync"

	"layeh.com/radius"

	"tandem/internal/secret"
	"tandem/radiusd/attribute"
	"tandem/verify"
)

// dictionary finds attributes by their names, and remembers those that it has found: policies name few of them, again and
// again. The zero value is ready.
type dictionary struct {
	mu    sync.RWMutex
	known map[string]attribute.Attribute
}

// mostKnown bounds what is remembered; names come from the configuration, and from servers that it names.
const mostKnown = 1024

func (d *dictionary) find(name string) (attribute.Attribute, error) {
	d.mu.RLock()
	found, ok := d.known[name]
	d.mu.RUnlock()
	if ok {
		return found, nil
	}
	found, err := attribute.Find(name)
	if err != nil {
		return found, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostKnown {
		d.known = map[string]attribute.Attribute{}
	}
	d.known[name] = found
	return found, nil
}

// add puts what the policy gives the client into the answer.
func (d *dictionary) add(answer, request *radius.Packet, given []verify.Attribute) error {
	if len(given) == 0 {
		return nil
	}
	to := &attribute.Reply{Secret: secret.New(string(request.Secret)), RequestAuthenticator: request.Authenticator}
	for _, g := range given {
		found, err := d.find(g.Name)
		if err != nil {
			return err
		}
		avp, err := found.Encode(g.Value, to)
		if err != nil {
			return fmt.Errorf("the reply attribute of a policy: %w", err)
		}
		answer.Attributes = append(answer.Attributes, avp)
	}
	return nil
}
