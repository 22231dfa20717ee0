package api

import (
	"crypto/tls"
	"net/http"
	"net/url"
)

// Codes returns the codes of errors on the wire.
func Codes() []string {
	all := []string{codeBadRequest, codeFailed}
	for _, c := range codes() {
		all = append(all, c.text)
	}
	return all
}

// MaxStreams and MaxConnections are limits that tests go beyond.
const (
	MaxStreams     = maxStreams
	MaxConnections = maxConnections
)

// Limits of the TCP door.
const (
	MaxOfAddress = maxOfAddress
	MaxGuesses   = maxGuesses
)

// DialTCP returns a client of the TCP door at a URL.
func DialTCP(base, token string, config *tls.Config) *Client {
	target, err := url.Parse(base)
	if err != nil {
		panic(err) //nolint:forbidigo // a test's own
	}
	return &Client{socket: base, http: &http.Client{Transport: &tokenTransport{
		target: target, token: token, next: &http.Transport{TLSClientConfig: config, MaxResponseHeaderBytes: maxHeaderBytes, DisableCompression: true},
	}}}
}

// tokenTransport sends requests to the door, with its token.
type tokenTransport struct {
	target *url.URL
	token  string
	next   *http.Transport
}

func (t *tokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = t.target.Scheme, t.target.Host, t.target.Host
	r.Header.Set("Authorization", "Bearer "+t.token)
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client do so.
func (t *tokenTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }
