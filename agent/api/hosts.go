package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// plainHost returns a host as it is compared: without port, brackets, zone and final dot, in lower case.
func plainHost(text string) string {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone("").String()
	}
	return strings.ToLower(strings.TrimSuffix(text, "."))
}

// knowsHost reports whether a request's Host header names this door. The port is of no matter: a forwarded one is another.
func (d *TCPDoor) knowsHost(header string, g *guest) bool {
	host := plainHost(header)
	if d.hosts[host] {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.IsLoopback() || addr == g.local)
}

// foreignPage returns what says that a web page of another site makes the request; "" = none does. Browsers put Origin on what a
// script asks of another site, and Sec-Fetch-Site on everything.
func foreignPage(r *http.Request) string {
	for _, origin := range r.Header.Values("Origin") {
		from, err := url.Parse(origin)
		if err != nil || from.Host == "" || !sameAuthority(from, r) {
			return origin
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none": // "none": its user typed the address
		return ""
	default:
		return site
	}
}

// sameAuthority reports whether a page's origin is where the request goes to. The scheme may differ: a proxy before us may speak TLS.
func sameAuthority(from *url.URL, r *http.Request) bool {
	return plainHost(from.Host) == plainHost(r.Host) && portOf(from.Host, from.Scheme) == portOf(r.Host, from.Scheme)
}

func portOf(host, scheme string) string {
	if _, port, err := net.SplitHostPort(host); err == nil && port != "" {
		return port
	}
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// bearer returns the token of a request's Authorization header.
func bearer(r *http.Request) (string, bool) {
	kind, given, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(kind, "Bearer") {
		return "", false
	}
	given = strings.TrimSpace(given)
	return given, given != ""
}

// addressesOf returns whose connection it is, a site's IPv6 network being one, and which of our addresses it came to.
func addressesOf(conn net.Conn) (from, local netip.Addr) {
	if tcp, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		local = tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return from, local
	}
	from = tcp.AddrPort().Addr().Unmap().WithZone("")
	if from.Is6() {
		if site, err := from.Prefix(64); err == nil {
			from = site.Addr()
		}
	}
	return from, local
}
