package peer

import (
	"fmt"
	"net/http"
	"time"

	"tandem/test/bench/proc"
)

// Etcd is an etcd of one member, whose folder is on the same disk as Tandem's state file.
type Etcd struct {
	*proc.Process
	// URL is where clients ask.
	URL string
}

// Etcd starts one that is empty.
func (p Place) Etcd() (*Etcd, error) {
	dir, err := p.folder("etcd")
	if err != nil {
		return nil, err
	}
	client, err := freeAddr()
	if err != nil {
		return nil, err
	}
	member, err := freeAddr()
	if err != nil {
		return nil, err
	}
	e := &Etcd{URL: "http://" + client.String()}
	peers := "http://" + member.String()
	e.Process, err = proc.Start(p.LoadCore, "etcd", "--name", "bench", "--data-dir", dir, "--log-level", "error",
		"--listen-client-urls", e.URL, "--advertise-client-urls", e.URL,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "bench="+peers)
	if err != nil {
		return nil, fmt.Errorf("%w (apt-get install etcd-server)", err)
	}
	if err := e.WaitFor(time.Minute, e.healthy); err != nil {
		e.Stop()
		return nil, err
	}
	return e, nil
}

func (e *Etcd) healthy() error {
	answer, err := http.Get(e.URL + "/health")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd says %s", answer.Status)
	}
	return nil
}
