package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tandem/internal/config"
)

// certificates tells until when the certificates are valid that the daemon shows to others. It looks at the files at
// each scrape: whoever renews one sees it at once.
type certificates struct {
	expiry *prometheus.Desc
	// files are the certificate files by what they are for.
	files atomic.Pointer[map[string]string]
}

func newCertificates() *certificates {
	return &certificates{expiry: prometheus.NewDesc("tandem_certificate_expiry_seconds",
		"Until when the certificates are valid that tandemd shows to others, in Unix time; 0: the file cannot be read.", []string{"used_for"}, nil)}
}

// follow takes the files of a configuration.
func (c *certificates) follow(conf *config.Config) {
	files := map[string]string{}
	if e := conf.Store.Etcd; e != nil && e.CertFile != "" {
		files["store.etcd"] = e.CertFile
	}
	for i := range conf.Factor.REST {
		if r := &conf.Factor.REST[i]; r.CertFile != "" {
			files["factor.rest "+r.Name] = r.CertFile
		}
	}
	c.files.Store(&files)
}

// Describe implements [prometheus.Collector].
func (c *certificates) Describe(to chan<- *prometheus.Desc) { to <- c.expiry }

// Collect implements [prometheus.Collector].
func (c *certificates) Collect(to chan<- prometheus.Metric) {
	files := c.files.Load()
	if files == nil {
		return
	}
	for usedFor, file := range *files {
		seconds := 0.0
		if until, err := validUntil(file); err == nil {
			seconds = float64(until.Unix())
		}
		to <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, seconds, usedFor)
	}
}

// validUntil is the end of the first certificate of a PEM file, which is the one that is shown.
func validUntil(file string) (time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return time.Time{}, errors.New(file + " holds no certificate")
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", file, err)
		}
		return certificate.NotAfter, nil
	}
}
